//! Every rule of admission, obeyed and broken. Each case is judged by the oracle as well.

use treaty_engine::cotx::Refusal;
use treaty_testkit::Story;

use crate::tables::{STAFF, hear, history_of, office, replica_of};

/// Tells `before`, which must all be admitted, then `last`. Returns why that is refused, if it is.
fn judge(before: &[&str], last: &str) -> Result<(), Refusal> {
    let mut story = Story::begin(&office(), STAFF);
    let (mut replica, mut history) = (replica_of(&story), history_of(&story));
    for line in before {
        let entry = story.tell(line);
        assert_eq!(history.judge(&entry), None, "the oracle refuses {line}");
        hear(&mut replica, &entry).unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
        history.add(&entry);
    }
    let entry = story.tell(last);
    let heard = hear(&mut replica, &entry);
    assert_eq!(heard.as_ref().err().map(|refusal| refusal.reason), history.judge(&entry), "the oracle disagrees");
    heard
}

/// Checks that the last line is refused for a reason, by a sentence.
fn refuses(before: &[&str], last: &str, code: &str, message: &str) {
    let refusal = judge(before, last).expect_err(last);
    assert_eq!((refusal.reason.code(), refusal.message.as_str()), (code, message), "{last}");
}

/// Checks that the last line is admitted.
fn admits(before: &[&str], last: &str) {
    judge(before, last).unwrap_or_else(|refusal| panic!("{last}: {refusal}"));
}

const PROJECT: &str = "p @1 on genesis: insert projects alpha owner=@1 name=alpha budget=10 spent=5";
const TASK: &str = "t @1 on p: insert tasks one project=alpha title=one slot=1";

#[test]
fn a_plain_insert_is_admitted() {
    admits(&[], PROJECT);
    admits(&[PROJECT], TASK);
    admits(&[PROJECT, TASK], "x @2 on t: update one title=better");
}
