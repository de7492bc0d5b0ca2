//! Presence and permission: what a revocation reaches.

use expect_test::expect;

use super::members;
use crate::scenario::Scenario;

/// S6. What the revoker had seen stays; what he had not seen goes.
pub fn use_before_revoke_stays_and_a_concurrent_use_is_void() -> Scenario {
    members(
        "seen   @dora on genesis: insert notes n1 title=seen
         out    @anna on seen:    delete dora
         unseen @dora on seen:    insert notes n2 title=unseen",
        expect![[r#"
            seen       live
            out        live
            unseen     void: permission of operation 0, lost to out
            members:   anna, ben, cleo, eric
            notes:     n1(title=seen)
        "#]],
    )
}

/// Whoever has seen his revocation is refused: nothing of it enters the log.
pub fn a_use_after_the_revocation_is_refused() -> Scenario {
    members(
        "out   @anna on genesis: delete dora
         late  @dora on out:     insert notes n title=late
         child @eric on late:    insert notes m title=child",
        expect![[r#"
            out        live
            late       refused: permission
            child      refused: ancestor
            members:   anna, ben, cleo, eric
        "#]],
    )
}

/// The revocation names a row: other rows that permit the same do so still.
pub fn another_row_that_permits_it_is_enough() -> Scenario {
    members(
        "twice @anna on genesis: insert members dora2 who=@dora role=editor
         note  @dora on twice:   insert notes n title=x
         out   @anna on twice:   delete dora",
        expect![[r#"
            twice      live
            note       live
            out        live
            members:   anna, ben, cleo, dora2(who=@dora role=editor), eric
            notes:     n(title=x)
        "#]],
    )
}

/// If all rows that permit it are gone, it is lost to the delete of the one that was there first.
pub fn all_rows_that_permit_it_are_gone() -> Scenario {
    members(
        "twice @anna on genesis: insert members dora2 who=@dora role=editor
         note  @dora on twice:   insert notes n title=x
         out2  @anna on twice:   delete dora2
         out   @ben on twice:    delete dora",
        expect![[r#"
            twice      live
            note       void: permission of operation 0, lost to out
            out2       live
            out        live
            members:   anna, ben, cleo, eric
        "#]],
    )
}

/// A row permits only those who had seen it inserted.
pub fn a_concurrent_grant_permits_nothing() -> Scenario {
    members(
        "in     @anna on genesis:    insert members mallory who=@mallory role=editor
         before @mallory on genesis: insert notes n title=x
         after  @mallory on in:      insert notes m title=y",
        expect![[r#"
            in         live
            before     refused: permission
            after      live
            members:   anna, ben, cleo, dora, eric, mallory(who=@mallory role=editor)
            notes:     m(title=y)
        "#]],
    )
}

/// S7. A grant falls with the authority of whoever gave it, and with it what was done by it, whoever wrote that.
pub fn what_relies_on_a_void_grant_is_void() -> Scenario {
    members(
        "grant @ben on genesis:     insert members mallory who=@mallory role=editor
         out   @anna on genesis:    delete ben
         note  @mallory on grant:   insert notes n title=x
         reply @dora on note:       update n body=reply
         other @dora on note:       insert notes m title=other",
        expect![[r#"
            grant      void: permission of operation 0, lost to out
            out        live
            note       void: permission of operation 0, lost to grant
            reply      live
            other      live
            members:   anna, cleo, dora, eric
            notes:     m(title=other)
        "#]],
    )
}

/// A member who sees the grant fall cannot rely on it any more.
pub fn a_void_grant_permits_nothing_on_top_of_both() -> Scenario {
    members(
        "grant @ben on genesis:       insert members mallory who=@mallory role=editor
         out   @anna on genesis:      delete ben
         note  @mallory on grant out: insert notes n title=x",
        expect![[r#"
            grant      void: permission of operation 0, lost to out
            out        live
            note       refused: permission
            members:   anna, cleo, dora, eric
        "#]],
    )
}

/// S8. A revocation placed on top of old entries takes away what was done since, but nothing that it had seen.
pub fn a_revocation_placed_below_reaches_everything_after_its_place() -> Scenario {
    members(
        "one   @dora on genesis: insert notes n1 title=one
         two   @dora on one:     insert notes n2 title=two
         three @eric on two:     insert notes n3 title=three
         out   @anna on one:     delete dora",
        expect![[r#"
            one        live
            two        void: permission of operation 0, lost to out
            three      live
            out        live
            members:   anna, ben, cleo, eric
            notes:     n1(title=one), n3(title=three)
        "#]],
    )
}

/// A void revocation takes nothing away.
pub fn a_void_revocation_does_not_reach_anybody() -> Scenario {
    members(
        "out   @cleo on genesis: delete dora
         note  @dora on genesis: insert notes n title=x
         coup  @anna on genesis: delete cleo",
        expect![[r#"
            out        void: permission of operation 0, lost to coup
            note       live
            coup       live
            members:   anna, ben, dora, eric
            notes:     n(title=x)
        "#]],
    )
}

/// The same, on an update and on a delete: it is undone, the row is there as before.
pub fn updates_and_deletes_of_the_revoked_are_undone() -> Scenario {
    members(
        "two  @eric on genesis: insert notes n1 title=one; insert notes n2 title=two
         edit @dora on two:     update n1 title=changed
         gone @dora on edit:    delete n2
         out  @anna on two:     delete dora",
        expect![[r#"
            two        live
            edit       void: permission of operation 0, lost to out
            gone       void: permission of operation 0, lost to out
            out        live
            members:   anna, ben, cleo, eric
            notes:     n1(title=one), n2(title=two)
        "#]],
    )
}

/// UPDATE and DELETE policies read the row as it was inserted, live or not: no error on a row that is gone, and no effect.
pub fn the_row_at_hand_is_read_as_inserted() -> Scenario {
    members(
        "mine  @dora on genesis: insert drafts d owner=@dora words=mine
         gone  @dora on mine:    delete d
         again @dora on gone:    update d words=ghost
         other @eric on mine:    update d words=stolen",
        expect![[r#"
            mine       live
            gone       live
            again      live
            other      refused: permission
            members:   anna, ben, cleo, dora, eric
        "#]],
    )
}

/// A policy without EXISTS relies on no row: no revocation reaches it.
pub fn what_needs_no_row_cannot_be_revoked() -> Scenario {
    members(
        "out   @anna on genesis: delete dora
         draft @dora on genesis: insert drafts d owner=@dora words=mine
         note  @dora on genesis: insert notes n title=x",
        expect![[r#"
            out        live
            draft      live
            note       void: permission of operation 0, lost to out
            members:   anna, ben, cleo, eric
            drafts:    d(owner=@dora words=mine)
        "#]],
    )
}

/// Each co-transaction of an entry is judged on its own, the later ones on top of the earlier.
pub fn co_transactions_of_an_entry_are_judged_one_by_one() -> Scenario {
    members(
        "out  @anna on genesis: delete dora
         both @dora on genesis: insert drafts d owner=@dora words=kept | insert notes n title=lost | update d words=also-kept",
        expect![[r#"
            out        live
            both.0     live
            both.1     void: permission of operation 0, lost to out
            both.2     live
            members:   anna, ben, cleo, eric
            drafts:    d(owner=@dora words=also-kept)
        "#]],
    )
}

/// An UPDATE is lost with the permission for it; the author's own INSERT of a row of another's is not.
pub fn one_false_operation_voids_all_of_its_transaction() -> Scenario {
    members(
        "out  @anna on genesis: delete dora
         both @dora on genesis: insert drafts d owner=@dora words=lost; insert notes n title=lost",
        expect![[r#"
            out        live
            both       void: permission of operation 1, lost to out
            members:   anna, ben, cleo, eric
        "#]],
    )
}

/// A revocation of the past that was void when somebody relied on its being so, and is live again, reaches him.
pub fn a_revocation_of_the_past_that_is_live_again_reaches_the_use() -> Scenario {
    members(
        "out  @cleo on genesis:    delete dora
         coup @ben on genesis:     delete cleo
         note @dora on out coup:   insert notes n title=x
         end  @anna on genesis:    delete ben",
        expect![[r#"
            out        live
            coup       void: permission of operation 0, lost to end
            note       void: permission of operation 0, lost to out
            end        live
            members:   anna, cleo, eric
        "#]],
    )
}

/// Columns that policies read never change: to change a role, a row is inserted and the other deleted, in one transaction.
pub fn a_role_is_changed_by_another_row() -> Scenario {
    members(
        "wrong @anna on genesis: update dora role=admin
         right @anna on genesis: insert members dora2 who=@dora role=admin; delete dora
         use   @dora on right:   insert members hugo who=@hugo role=editor
         old   @dora on genesis: insert notes n title=x",
        expect![[r#"
            wrong      refused: frozen
            right      live
            use        live
            old        void: permission of operation 0, lost to right
            members:   anna, ben, cleo, dora2(who=@dora role=admin), eric, hugo(who=@hugo role=editor)
        "#]],
    )
}

/// Policies are alternatives: a guest books as a guest when he is a member no more.
pub fn another_policy_that_permits_it_is_enough() -> Scenario {
    members(
        "guest @dora on genesis: insert guests g who=@dora
         both  @dora on guest:   insert bookings b1 room=red
         only  @dora on genesis: insert bookings b2 room=blue
         out   @anna on guest:   delete dora",
        expect![[r#"
            guest      live
            both       live
            only       void: permission of operation 0, lost to out
            out        live
            members:   anna, ben, cleo, eric
            guests:    g(who=@dora)
            bookings:  b1(room=red)
        "#]],
    )
}

/// Only rows that one has seen can be named, to refer to them or to write to them.
pub fn a_row_that_one_has_not_seen_cannot_be_named() -> Scenario {
    members(
        "made  @anna on genesis: insert projects p name=p
         refer @dora on genesis: insert issues i project=p title=i
         write @dora on genesis: update p name=q
         gone  @dora on genesis: delete p
         seen  @dora on made:    update p name=q",
        expect![[r#"
            made       live
            refer      refused: unknown_row
            write      refused: unknown_row
            gone       refused: unknown_row
            seen       live
            members:   anna, ben, cleo, dora, eric
            projects:  p(name=q)
        "#]],
    )
}

/// Deleting what is deleted has no effect, and is no error.
pub fn what_is_deleted_is_deleted_again_to_no_effect() -> Scenario {
    members(
        "made  @anna on genesis: insert notes n title=x
         gone  @dora on made:    delete n
         again @eric on gone:    delete n; insert notes m title=y
         out   @anna on made:    delete dora",
        expect![[r#"
            made       live
            gone       void: permission of operation 0, lost to out
            again      live
            out        live
            members:   anna, ben, cleo, eric
            notes:     m(title=y)
        "#]],
    )
}
