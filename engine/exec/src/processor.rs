//! The processor of a run, as against what its tasks declare.

use isoflop_contract::environment::Isa;

use crate::error::ExecError;

/// Refuses a run with a task that declares a level beyond the highest that the processor has. Where that is not known, workers decide.
pub(crate) fn reaches<'a>(
    highest: Option<Isa>,
    declared: impl IntoIterator<Item = (&'a str, Isa)>,
) -> Result<(), ExecError> {
    let Some(highest) = highest else { return Ok(()) };
    match declared.into_iter().find(|(_, isa)| *isa > highest) {
        Some((task, isa)) => Err(ExecError::Level { task: task.to_owned(), isa: isa.word(), highest: highest.word() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_beyond_the_processors_is_refused_by_the_first_task_that_declares_it() {
        let declared = [("a", Isa::Avx2), ("b", Isa::Avx512Bf16), ("c", Isa::Avx512Amx)];
        assert!(reaches(Some(Isa::Avx512Amx), declared).is_ok());
        assert!(reaches(None, declared).is_ok());
        let refused = reaches(Some(Isa::Avx512), declared).unwrap_err().to_string();
        let expected =
            "`b` declares `isa: avx512-bf16`, and this processor has no more than `avx512`. Bits depend on that, ";
        assert!(refused.starts_with(expected), "{refused}");
    }
}
