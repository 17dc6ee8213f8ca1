//! Shapes: the types of artifacts.

/// The type of an artifact, known at plan time. Implemented by empty marker types beside the kinds that make them.
pub trait Artifact: std::fmt::Debug + 'static {
    /// The shape's name, as plans and manifests have it.
    const SHAPE: &'static str;
}

/// Any artifact: a port of this shape takes whatever has the scalars it wants, and a kind that makes it says in each spec what it makes.
#[derive(Debug)]
pub enum Any {}

impl Artifact for Any {
    const SHAPE: &'static str = "any";
}

/// The shape of the files of a study that a task reads. Nothing makes it.
pub const FILES: &str = "files";

/// Whether a port of shape `wanted` takes an artifact of shape `offered`.
pub fn fits(wanted: &str, offered: &str) -> bool {
    wanted == Any::SHAPE || wanted == offered
}
