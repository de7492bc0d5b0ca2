//! Foreign keys, by what they say ON DELETE.

use expect_test::expect;

use super::members;
use crate::scenario::Scenario;

/// CASCADE and NO ACTION: a concurrent delete of the target wins, the reference is void.
pub fn against_a_concurrent_delete_the_reference_is_void() -> Scenario {
    members(
        "p     @anna on genesis: insert projects p name=p
         issue @dora on p:       insert issues i project=p title=i
         label @dora on p:       insert labels l project=p words=l
         gone  @eric on p:       delete p",
        expect![[r#"
            p          live
            issue      void: foreign_key of operation 0, lost to gone
            label      void: foreign_key of operation 0, lost to gone
            gone       live
            members:   anna, ben, cleo, dora, eric
        "#]],
    )
}

/// A later delete carries what refers, and nobody is void.
pub fn a_delete_that_has_seen_the_references_carries_them() -> Scenario {
    members(
        "p     @anna on genesis:    insert projects p name=p
         issue @dora on p:          insert issues i project=p title=i
         label @dora on p:          insert labels l project=p words=l
         left  @eric on issue label: delete p
         gone  @eric on issue label: delete p; delete i; delete l",
        expect![[r#"
            p          live
            issue      live
            label      live
            left       refused: foreign_key
            gone       live
            members:   anna, ben, cleo, dora, eric
        "#]],
    )
}

/// SET NULL: both survive, the reference reads NULL; no operation is recorded.
pub fn under_set_null_both_survive() -> Scenario {
    members(
        "p     @anna on genesis: insert projects p name=p
         star  @dora on p:       insert stars s project=p words=s
         gone  @eric on p:       delete p
         later @dora on star gone: insert stars s2 project=p words=s2",
        expect![[r#"
            p          live
            star       live
            gone       live
            later      refused: foreign_key
            members:   anna, ben, cleo, dora, eric
            stars:     s(words=s)
        "#]],
    )
}

/// SET NULL: the reference reads the row again when its delete is void.
pub fn under_set_null_the_reference_returns_with_its_row() -> Scenario {
    members(
        "p    @anna on genesis: insert projects p name=p
         star @dora on p:       insert stars s project=p words=s
         gone @eric on star:    delete p
         out  @anna on star:    delete eric
         show gone from gone",
        expect![[r#"
            p          live
            star       live
            gone       void: permission of operation 0, lost to out
            out        live
            members:   anna, ben, cleo, dora
            projects:  p(name=p)
            stars:     s(project=p words=s)
            at gone from gone:
            members:   anna, ben, cleo, dora, eric
            stars:     s(words=s)
        "#]],
    )
}

/// SET NULL: a reference to a row whose insert is void is void itself.
pub fn under_set_null_a_reference_to_what_never_was_is_void() -> Scenario {
    members(
        "p    @eric on genesis: insert projects p name=p
         star @dora on p:       insert stars s project=p words=s
         out  @anna on genesis: delete eric",
        expect![[r#"
            p          void: permission of operation 0, lost to out
            star       void: foreign_key of operation 0, lost to p
            out        live
            members:   anna, ben, cleo, dora
        "#]],
    )
}

/// RESTRICT: the reference wins: a concurrent delete is void.
pub fn under_restrict_the_reference_wins() -> Scenario {
    members(
        "p       @anna on genesis: insert projects p name=p
         invoice @dora on p:       insert invoices v project=p words=v
         gone    @eric on p:       delete p",
        expect![[r#"
            p          live
            invoice    live
            gone       void: foreign_key of operation 0, lost to invoice
            members:   anna, ben, cleo, dora, eric
            projects:  p(name=p)
            invoices:  v(project=p words=v)
        "#]],
    )
}

/// RESTRICT: a reference that is void does not count.
pub fn under_restrict_a_void_reference_does_not_count() -> Scenario {
    members(
        "p       @anna on genesis: insert projects p name=p
         invoice @dora on p:       insert invoices v project=p words=v
         gone    @eric on p:       delete p
         out     @anna on p:       delete dora",
        expect![[r#"
            p          live
            invoice    void: permission of operation 0, lost to out
            gone       live
            out        live
            members:   anna, ben, cleo, eric
        "#]],
    )
}

/// RESTRICT: a delete that had seen the reference is refused, unless it is released.
pub fn under_restrict_a_delete_that_has_seen_the_reference_is_refused() -> Scenario {
    members(
        "p       @anna on genesis: insert projects p name=p; insert projects q name=q
         invoice @dora on p:       insert invoices v project=p words=v
         refused @eric on invoice: delete p
         moved   @eric on invoice: update v project=q
         gone    @eric on moved:   delete p",
        expect![[r#"
            p          live
            invoice    live
            refused    refused: foreign_key
            moved      live
            gone       live
            members:   anna, ben, cleo, dora, eric
            projects:  q(name=q)
            invoices:  v(project=q words=v)
        "#]],
    )
}

/// RESTRICT: a release counts if the deleter had seen it, not if it is concurrent with the delete.
pub fn under_restrict_a_concurrent_release_is_too_late() -> Scenario {
    members(
        "p       @anna on genesis: insert projects p name=p; insert projects q name=q
         invoice @dora on p:       insert invoices v project=p words=v
         moved   @dora on invoice: update v project=q
         gone    @eric on p:       delete p",
        expect![[r#"
            p          live
            invoice    live
            moved      live
            gone       void: foreign_key of operation 0, lost to invoice
            members:   anna, ben, cleo, dora, eric
            projects:  p(name=p), q(name=q)
            invoices:  v(project=q words=v)
        "#]],
    )
}

/// A reference counts until it is released, even where a later write hides it.
pub fn a_hidden_reference_is_void_all_the_same() -> Scenario {
    members(
        "p     @anna on genesis: insert projects p name=p; insert projects q name=q
         label @dora on p:       insert labels l project=p words=l
         moved @dora on label:   update l project=q
         gone  @eric on p:       delete p",
        expect![[r#"
            p          live
            label      void: foreign_key of operation 0, lost to gone
            moved      live
            gone       live
            members:   anna, ben, cleo, dora, eric
            projects:  q(name=q)
        "#]],
    )
}

/// When the release that a delete had seen turns out to be void, the reference counts again and the delete is void.
pub fn a_delete_falls_with_the_release_it_had_seen() -> Scenario {
    members(
        "p     @anna on genesis: insert projects p name=p; insert projects q name=q
         label @dora on p:       insert labels l project=p words=l
         moved @eric on label:   update l project=q
         gone  @dora on moved:   delete p
         out   @anna on label:   delete eric",
        expect![[r#"
            p          live
            label      live
            moved      void: permission of operation 0, lost to out
            gone       void: foreign_key of operation 0, lost to label
            out        live
            members:   anna, ben, cleo, dora
            projects:  p(name=p), q(name=q)
            labels:    l(project=p words=l)
        "#]],
    )
}

/// The cascades of a delete were void when it was made, so it carries none; they are live again, so it is void.
pub fn a_delete_falls_when_what_referred_is_live_again() -> Scenario {
    members(
        "p     @anna on genesis:     insert projects p name=p
         issue @dora on p:           insert issues i project=p title=i
         out   @ben on p:            delete dora
         gone  @eric on issue out:   delete p
         coup  @anna on p:           delete ben
         show gone from gone
         show gone from all",
        expect![[r#"
            p          live
            issue      live
            out        void: permission of operation 0, lost to coup
            gone       void: foreign_key of operation 0, lost to issue
            coup       live
            members:   anna, cleo, dora, eric
            projects:  p(name=p)
            issues:    i(project=p title=i)
            at gone from gone:
            members:   anna, ben, cleo, eric
            at gone from all:
            members:   anna, ben, cleo, dora, eric
            projects:  p(name=p)
            issues:    i(project=p title=i)
        "#]],
    )
}

/// Without that revocation the delete stands.
pub fn a_delete_stands_while_what_referred_is_void() -> Scenario {
    members(
        "p     @anna on genesis:   insert projects p name=p
         issue @dora on p:         insert issues i project=p title=i
         out   @ben on p:          delete dora
         gone  @eric on issue out: delete p",
        expect![[r#"
            p          live
            issue      void: permission of operation 0, lost to out
            out        live
            gone       live
            members:   anna, ben, cleo, eric
        "#]],
    )
}

/// A reference to a row whose insert falls, falls; and what refers to that.
pub fn references_fall_with_their_target_down_the_line() -> Scenario {
    members(
        "p      @eric on genesis: insert projects p name=p
         issue  @dora on p:       insert issues i project=p title=i
         remark @ben on issue:    insert remarks r issue=i words=r
         note   @ben on remark:   insert notes n title=n
         out    @anna on genesis: delete eric",
        expect![[r#"
            p          void: permission of operation 0, lost to out
            issue      void: foreign_key of operation 0, lost to p
            remark     void: foreign_key of operation 0, lost to issue
            note       live
            out        live
            members:   anna, ben, cleo, dora
            notes:     n(title=n)
        "#]],
    )
}

/// Two concurrent deletes of one row do not disturb each other.
pub fn two_deletes_of_one_row_both_stand() -> Scenario {
    members(
        "p     @anna on genesis: insert projects p name=p
         gone1 @dora on p:       delete p
         gone2 @eric on p:       delete p",
        expect![[r#"
            p          live
            gone1      live
            gone2      live
            members:   anna, ben, cleo, dora, eric
        "#]],
    )
}

/// An update refers as an insert does; one that writes NULL refers to nothing.
pub fn an_update_refers_as_an_insert_does() -> Scenario {
    members(
        "p     @anna on genesis: insert projects p name=p; insert projects q name=q; insert labels l project=q words=l
         refer @dora on p:       update l project=p
         clear @eric on p:       update l project=NULL
         gone  @ben on p:        delete p",
        expect![[r#"
            p          live
            refer      void: foreign_key of operation 0, lost to gone
            clear      live
            gone       live
            members:   anna, ben, cleo, dora, eric
            projects:  q(name=q)
            labels:    l(words=l)
        "#]],
    )
}

/// Whatever ON DELETE says: a delete of the past that was void when somebody referred to its row, and is live again, takes the reference.
pub fn a_delete_of_the_past_that_is_live_again_takes_the_reference() -> Scenario {
    members(
        "p       @anna on genesis:  insert projects p name=p
         gone    @eric on p:        delete p
         out     @ben on p:         delete eric
         issue   @dora on gone out: insert issues i project=p title=i
         label   @dora on gone out: insert labels l project=p words=l
         star    @dora on gone out: insert stars s project=p words=s
         invoice @dora on gone out: insert invoices v project=p words=v
         coup    @anna on p:        delete ben",
        expect![[r#"
            p          live
            gone       live
            out        void: permission of operation 0, lost to coup
            issue      void: foreign_key of operation 0, lost to gone
            label      void: foreign_key of operation 0, lost to gone
            star       void: foreign_key of operation 0, lost to gone
            invoice    void: foreign_key of operation 0, lost to gone
            coup       live
            members:   anna, cleo, dora, eric
        "#]],
    )
}

/// A reference in a row whose insert is void does not count, though the write that made it is live.
pub fn a_reference_of_a_row_that_never_was_does_not_count() -> Scenario {
    members(
        "p     @anna on genesis: insert projects p name=p; insert projects q name=q
         made  @dora on p:       insert invoices v project=q words=v
         refer @eric on made:    update v project=p
         gone  @ben on p:        delete p
         out   @anna on p:       delete dora",
        expect![[r#"
            p          live
            made       void: permission of operation 0, lost to out
            refer      live
            gone       live
            out        live
            members:   anna, ben, cleo, eric
            projects:  q(name=q)
        "#]],
    )
}
