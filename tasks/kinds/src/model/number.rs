//! What numbers of a config must be like, and what they are where nothing is said: in one way for all models.

use isoflop_contract::Complaint;

/// The largest width, depth or channel number that a config may name.
const MOST: u64 = 1 << 16;

/// Defaults, as serde wants them.
macro_rules! defaults {
    ($($name:ident = $n:literal),+) => { $( pub(crate) fn $name() -> u64 { $n } )+ };
}

defaults! { one = 1, two = 2, three = 3, four = 4, eight = 8, sixteen = 16, thirty_two = 32, sixty_four = 64 }

pub(super) fn yes() -> bool {
    true
}

/// Channels that come out of a network over `channels`: as many again where a variance is predicted beside the noise.
pub(super) fn predicted(channels: u64, variance: bool) -> u64 {
    channels * if variance { 2 } else { 1 }
}

/// Each of `numbers`, fields below `at`, is between 1 and 65536.
pub(super) fn sane(at: &str, numbers: &[(&str, u64)]) -> Result<(), Complaint> {
    within(at, numbers, MOST)
}

/// Each of `numbers`, fields below `at`, is between 1 and `most`.
pub(super) fn within(at: &str, numbers: &[(&str, u64)], most: u64) -> Result<(), Complaint> {
    match numbers.iter().find(|(_, n)| !(1..=most).contains(n)) {
        Some((field, n)) => {
            Err(Complaint::new(format!("{at}.{field}"), format!("is {n}; must be between 1 and {most}")))
        }
        None => Ok(()),
    }
}

/// A width can be normalized in so many groups.
pub(super) fn groups(field: &str, width: u64, groups: u64) -> Result<(), Complaint> {
    let fits = (1..=MOST).contains(&width) && width.is_multiple_of(groups);
    let problem = format!("{width} is no multiple of the {groups} groups of `norm_groups`");
    Complaint::unless(fits, field, &problem)
}

/// `size × size` can be halved so many times.
pub(super) fn halvings(field: &str, size: u64, halvings: u32) -> Result<(), Complaint> {
    let fits = size > 0 && size.is_multiple_of(1 << halvings);
    Complaint::unless(fits, field, &format!("images of {size}×{size} cannot be halved {halvings} times"))
}

/// A transformer over patches, with fields `width`, `depth`, `heads` and `patch` below `at`, on `size × size` inputs.
pub(super) fn transformer(at: &str, size: u64, [width, depth, heads, patch]: [u64; 4]) -> Result<(), Complaint> {
    let field = |name: &str| format!("{at}.{name}");
    sane(at, &[("width", width), ("heads", heads), ("patch", patch)])?;
    Complaint::unless((1..=1000).contains(&depth), &field("depth"), "must be between 1 and 1000")?;
    let divided = format!("{heads} do not divide the width {width}");
    Complaint::unless(width.is_multiple_of(heads), &field("heads"), &divided)?;
    // A quarter each for sines and cosines of rows and of columns.
    Complaint::unless(width.is_multiple_of(4), &field("width"), &format!("{width} is no multiple of 4"))?;
    let cut = format!("{patch} does not divide the size {size}");
    Complaint::unless(size > 0 && size.is_multiple_of(patch), &field("patch"), &cut)
}
