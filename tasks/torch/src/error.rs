//! What can go wrong between artifacts and tensors.

use std::path::PathBuf;

use isoflop_contract::Complaint;

/// Why a torch body could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    /// A file could not be read or written.
    #[error("cannot {doing} {path}", path = path.display())]
    File {
        /// As in "read".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of tensors that is none.
    #[error("{path} is no safetensors file", path = path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// JSON that does not say what it should.
    #[error("{path} does not say what it should", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A tensor that a file should hold.
    #[error("{path} has no tensor `{name}` of {wanted}", path = path.display())]
    NoTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: &'static str,
        /// Its type and dimensions.
        wanted: &'static str,
    },
    /// Tensors of one artifact that do not fit together.
    #[error("{path}: {problem}", path = path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// A number format that models do not use.
    #[error("tensor `{0}` has an unsupported number format")]
    Format(String),
    /// Numbers that are not the model's.
    #[error("these are not the numbers of this model: {0}")]
    Misfit(Box<crate::weights::Misfit>),
    /// Weights that are not this model's.
    #[error("{path} does not hold the weights of this {family}: {misfit}", path = path.display())]
    Weights {
        /// The file, or the index of several.
        path: PathBuf,
        /// The model's family.
        family: String,
        /// Every tensor that does not fit.
        misfit: Box<crate::weights::Misfit>,
    },
    /// Text that could not be made into tokens.
    #[error(transparent)]
    Tokens(#[from] crate::tokens::TokenError),
    /// A config that cannot be built.
    #[error("`{}` {}", .0.field, .0.problem)]
    Config(Complaint),
    /// Spec and data that contradict each other.
    #[error("{0}")]
    Mismatch(String),
    /// A device that is not there, or not what was declared.
    #[error("{0}")]
    Device(String),
    /// An instruction-set level that is not there.
    #[error("{0}")]
    Processor(String),
    /// A thread that could not be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// An image that could not be encoded.
    #[error("cannot encode {path}", path = path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: png::EncodingError,
    },
}

impl TorchError {
    /// For `map_err` on a file operation.
    pub(crate) fn file(doing: &'static str, path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }
}
