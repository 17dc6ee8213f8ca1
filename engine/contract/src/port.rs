//! Ports: what a kind needs, by name and shape.
//!
//! A kind declares its needs once, with [`ports!`](crate::ports): the plan reads names, shapes and arities from that declaration, and the
//! body receives the same names as typed handles, so the two cannot disagree.

use std::{collections::BTreeMap, marker::PhantomData};

use serde::{Deserialize, Serialize};

use crate::{
    handle::{Handle, Input},
    shape::{Artifact, fits},
};

/// How many artifacts a port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arity {
    /// Exactly one.
    One,
    /// One or none.
    Maybe,
    /// All cells of a gather, by label.
    Many,
    /// All cells of a gather, or nothing.
    MaybeMany,
}

impl Arity {
    /// Whether the port must be fed.
    pub fn required(self) -> bool {
        matches!(self, Self::One | Self::Many)
    }

    /// Whether it is fed by a gather.
    pub fn gathers(self) -> bool {
        matches!(self, Self::Many | Self::MaybeMany)
    }
}

/// One port of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name in `needs:`.
    pub name: &'static str,
    /// The shape it takes.
    pub shape: &'static str,
    /// How many it takes.
    pub arity: Arity,
    /// What it is for.
    pub about: &'static str,
}

/// What was given for one port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Given {
    /// One artifact.
    One(Input),
    /// Gathered artifacts by cell label.
    Many(BTreeMap<String, Input>),
}

/// Why what was given does not fit the ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// Nothing was given for a port that needs something.
    #[error("port `{0}` was given nothing")]
    Missing(&'static str),
    /// Something was given for a port that is not there.
    #[error("there is no port `{0}`")]
    Unknown(String),
    /// A gather where one artifact belongs, or the other way round.
    #[error("port `{0}` was given the wrong number of artifacts")]
    Arity(&'static str),
    /// An artifact of another shape.
    #[error("port `{port}` takes {wanted} and was given {offered}")]
    Shape {
        /// The port.
        port: &'static str,
        /// The shape it takes.
        wanted: &'static str,
        /// The shape it was given.
        offered: String,
    },
}

/// The typed needs of a kind. Made by [`ports!`](crate::ports).
pub trait Ports: Sized {
    /// All ports, in declared order.
    const PORTS: &'static [Port];
    /// Whether any other port may be fed as well, with one artifact or a gather of any shape.
    const OPEN: bool = false;

    /// Types what was given.
    fn take(given: BTreeMap<String, Given>) -> Result<Self, PortError>;
}

/// A kind that needs nothing.
#[derive(Debug)]
pub struct NoNeeds;

impl Ports for NoNeeds {
    const PORTS: &'static [Port] = &[];

    fn take(given: BTreeMap<String, Given>) -> Result<Self, PortError> {
        given.into_keys().next().map_or(Ok(Self), |name| Err(PortError::Unknown(name)))
    }
}

/// The needs of a kind that takes whatever it is given, under any names.
#[derive(Debug)]
pub struct Open(pub BTreeMap<String, Given>);

impl Ports for Open {
    const PORTS: &'static [Port] = &[];
    const OPEN: bool = true;

    fn take(given: BTreeMap<String, Given>) -> Result<Self, PortError> {
        Ok(Self(given))
    }
}

/// How a declared port type becomes a field. Implemented by [`One`], [`Maybe`], [`Many`] and [`MaybeMany`].
pub trait Slot {
    /// What the body gets.
    type Field;
    /// How many artifacts the port takes.
    const ARITY: Arity;
    /// The shape it takes.
    const SHAPE: &'static str;
    /// Types what was given for the port `name`.
    fn take(name: &'static str, given: Option<Given>) -> Result<Self::Field, PortError>;
}

/// A port that takes exactly one artifact.
#[derive(Debug)]
pub struct One<A>(PhantomData<A>);
/// A port that takes one artifact or none.
#[derive(Debug)]
pub struct Maybe<A>(PhantomData<A>);
/// A port that takes a gather.
#[derive(Debug)]
pub struct Many<A>(PhantomData<A>);
/// A port that takes a gather or nothing.
#[derive(Debug)]
pub struct MaybeMany<A>(PhantomData<A>);

fn typed<A: Artifact>(port: &'static str, input: Input) -> Result<Handle<A>, PortError> {
    if fits(A::SHAPE, &input.shape) {
        Ok(Handle::new(input))
    } else {
        Err(PortError::Shape { port, wanted: A::SHAPE, offered: input.shape })
    }
}

impl<A: Artifact> Slot for One<A> {
    type Field = Handle<A>;
    const ARITY: Arity = Arity::One;
    const SHAPE: &'static str = A::SHAPE;

    fn take(name: &'static str, given: Option<Given>) -> Result<Handle<A>, PortError> {
        Maybe::<A>::take(name, given)?.ok_or(PortError::Missing(name))
    }
}

impl<A: Artifact> Slot for Maybe<A> {
    type Field = Option<Handle<A>>;
    const ARITY: Arity = Arity::Maybe;
    const SHAPE: &'static str = A::SHAPE;

    fn take(name: &'static str, given: Option<Given>) -> Result<Option<Handle<A>>, PortError> {
        match given {
            None => Ok(None),
            Some(Given::One(input)) => typed(name, input).map(Some),
            Some(Given::Many(_)) => Err(PortError::Arity(name)),
        }
    }
}

impl<A: Artifact> Slot for Many<A> {
    type Field = BTreeMap<String, Handle<A>>;
    const ARITY: Arity = Arity::Many;
    const SHAPE: &'static str = A::SHAPE;

    fn take(name: &'static str, given: Option<Given>) -> Result<Self::Field, PortError> {
        given.map_or(Err(PortError::Missing(name)), |given| MaybeMany::<A>::take(name, Some(given)))
    }
}

impl<A: Artifact> Slot for MaybeMany<A> {
    type Field = BTreeMap<String, Handle<A>>;
    const ARITY: Arity = Arity::MaybeMany;
    const SHAPE: &'static str = A::SHAPE;

    fn take(name: &'static str, given: Option<Given>) -> Result<Self::Field, PortError> {
        match given {
            None => Ok(BTreeMap::new()),
            Some(Given::One(_)) => Err(PortError::Arity(name)),
            Some(Given::Many(inputs)) => {
                inputs.into_iter().map(|(label, input)| Ok((label, typed(name, input)?))).collect()
            }
        }
    }
}

/// Declares the needs of a kind: a struct of typed handles, and the ports that the plan checks against.
///
/// ```
/// use isoflop_contract::{ports, Artifact, port::{Arity, Ports}};
///
/// #[derive(Debug)]
/// enum Scenes {}
/// impl Artifact for Scenes { const SHAPE: &'static str = "scenes"; }
///
/// ports! {
///     /// What training needs.
///     pub struct Needs {
///         /// The scenes to learn from.
///         data: One<Scenes>,
///         /// Every earlier score.
///         points: Many<Scenes>,
///     }
/// }
/// assert_eq!(Needs::PORTS[1].arity, Arity::Many);
/// assert!(Needs::take(Default::default()).is_err());
/// ```
#[macro_export]
macro_rules! ports {
    ($(#[$meta:meta])* pub struct $name:ident { $( #[doc = $about:literal] $port:ident : $slot:ident < $artifact:ty > ),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $name {
            $( #[doc = $about] pub $port: <$crate::port::$slot<$artifact> as $crate::port::Slot>::Field, )+
        }

        impl $crate::port::Ports for $name {
            const PORTS: &'static [$crate::port::Port] = &[
                $( $crate::port::Port {
                    name: stringify!($port),
                    shape: <$crate::port::$slot<$artifact> as $crate::port::Slot>::SHAPE,
                    arity: <$crate::port::$slot<$artifact> as $crate::port::Slot>::ARITY,
                    about: $about.trim_ascii(),
                } ),+
            ];

            fn take(
                mut given: ::std::collections::BTreeMap<String, $crate::port::Given>,
            ) -> ::std::result::Result<Self, $crate::port::PortError> {
                let needs = Self {
                    $( $port: <$crate::port::$slot<$artifact> as $crate::port::Slot>::take(
                        stringify!($port), given.remove(stringify!($port)))?, )+
                };
                match given.into_keys().next() {
                    None => Ok(needs),
                    Some(name) => Err($crate::port::PortError::Unknown(name)),
                }
            }
        }
    };
}
