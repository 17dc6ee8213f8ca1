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

/// What stands between the shapes of a port that takes any of several.
const OR: &str = " or ";

/// The shapes that a port of shape `wanted` takes: several, as in `scenes or captioned`, or one.
pub fn accepted(wanted: &str) -> impl Iterator<Item = &str> {
    wanted.split(OR)
}

/// Whether a port of shape `wanted` takes an artifact of shape `offered`.
pub fn fits(wanted: &str, offered: &str) -> bool {
    wanted == Any::SHAPE || accepted(wanted).any(|one| one == offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_takes_one_shape_any_of_several_or_whatever_there_is() {
        assert!(fits("scenes", "scenes") && !fits("scenes", "captioned"));
        assert!(fits("scenes or captioned", "scenes") && fits("scenes or captioned", "captioned"));
        assert!(!fits("scenes or captioned", "or") && !fits("scenes or captioned", "scene"));
        assert!(fits("any", "whatever"));
    }
}
