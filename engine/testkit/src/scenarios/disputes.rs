//! Disputes: cycles of revocations, alone and mixed with keys and foreign keys, decided by seniority.

use expect_test::expect;

use super::{council, members};
use crate::scenario::Scenario;

/// S1. Ben, removed, answers as if he had not heard of it: Anna's removal stands, all of Ben's is void.
pub fn s1_the_removed_cannot_remove_back() -> Scenario {
    council(
        "out     @anna on genesis:   delete ben
         back    @ben on genesis:    delete anna
         write   @ben on genesis:    insert notes n1 title=write
         again   @ben on back write: insert notes n2 title=again",
        expect![[r#"
            out        live
            back       void: permission of operation 0, lost to out
            write      void: permission of operation 0, lost to out
            again      void: permission of operation 0, lost to out
            members:   anna, cleo, dora, eric, fred, gina
        "#]],
    )
}

/// S2a. Who is absent and does not answer is removed, by whomever.
pub fn s2a_the_junior_removes_the_absent_senior() -> Scenario {
    council(
        "out  @ben on genesis:  delete anna
         note @anna on genesis: insert notes n title=unseen",
        expect![[r#"
            out        live
            note       void: permission of operation 0, lost to out
            members:   ben, cleo, dora, eric, fred, gina
        "#]],
    )
}

/// S2b. When the senior answers, concurrently, his answer stands, and all that was void for the removal is live again.
pub fn s2b_the_answer_of_the_senior_brings_everything_back() -> Scenario {
    council(
        "out    @ben on genesis:  delete anna
         note   @anna on genesis: insert notes n title=unseen
         answer @anna on genesis: delete ben",
        expect![[r#"
            out        void: permission of operation 0, lost to answer
            note       live
            answer     live
            members:   anna, cleo, dora, eric, fred, gina
            notes:     n(title=unseen)
        "#]],
    )
}

/// S3. A puppet that Ben appoints is junior to Ben: nothing changes.
pub fn s3_a_puppet_is_junior_to_its_maker() -> Scenario {
    council(
        "out    @anna on genesis:  delete ben
         grant  @ben on genesis:   insert members puppet who=@puppet role=admin
         strike @puppet on grant:  delete anna",
        expect![[r#"
            out        live
            grant      void: permission of operation 0, lost to out
            strike     void: permission of operation 0, lost to grant
            members:   anna, cleo, dora, eric, fred, gina
        "#]],
    )
}

/// S4. A ring of three, as if it had happened in the order of seniority: Anna's stands, so Ben's does not, so Cleo's does.
pub fn s4_a_ring_of_three() -> Scenario {
    council(
        "a @anna on genesis: delete ben
         b @ben on genesis:  delete cleo
         c @cleo on genesis: delete anna",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            c          live
            members:   cleo, dora, eric, fred, gina
        "#]],
    )
}

/// S5. Two of two.
pub fn s5_a_ring_of_two() -> Scenario {
    council(
        "a @anna on genesis: delete ben
         b @ben on genesis:  delete anna",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            members:   anna, cleo, dora, eric, fred, gina
        "#]],
    )
}

/// S5. Four.
pub fn s5_a_ring_of_four() -> Scenario {
    council(
        "a @anna on genesis: delete ben
         b @ben on genesis:  delete cleo
         c @cleo on genesis: delete dora
         d @dora on genesis: delete anna",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            c          live
            d          void: permission of operation 0, lost to c
            members:   anna, cleo, eric, fred, gina
        "#]],
    )
}

/// S5. Five.
pub fn s5_a_ring_of_five() -> Scenario {
    council(
        "a @anna on genesis: delete ben
         b @ben on genesis:  delete cleo
         c @cleo on genesis: delete dora
         d @dora on genesis: delete eric
         e @eric on genesis: delete anna",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            c          live
            d          void: permission of operation 0, lost to c
            e          live
            members:   cleo, eric, fred, gina
        "#]],
    )
}

/// S5. Six.
pub fn s5_a_ring_of_six() -> Scenario {
    council(
        "a @anna on genesis: delete ben
         b @ben on genesis:  delete cleo
         c @cleo on genesis: delete dora
         d @dora on genesis: delete eric
         e @eric on genesis: delete fred
         f @fred on genesis: delete anna",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            c          live
            d          void: permission of operation 0, lost to c
            e          live
            f          void: permission of operation 0, lost to e
            members:   anna, cleo, eric, gina
        "#]],
    )
}

/// S5. Seven. Nobody is ever left without an administrator.
pub fn s5_a_ring_of_seven() -> Scenario {
    council(
        "a @anna on genesis: delete ben
         b @ben on genesis:  delete cleo
         c @cleo on genesis: delete dora
         d @dora on genesis: delete eric
         e @eric on genesis: delete fred
         f @fred on genesis: delete gina
         g @gina on genesis: delete anna",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            c          live
            d          void: permission of operation 0, lost to c
            e          live
            f          void: permission of operation 0, lost to e
            g          live
            members:   cleo, eric, gina
        "#]],
    )
}

/// Against all others together, acting concurrently, the first appointed stands.
pub fn the_most_senior_stands_against_all() -> Scenario {
    council(
        "a @anna on genesis: delete ben; delete cleo; delete dora
         b @ben on genesis:  delete anna
         c @cleo on genesis: delete anna
         d @dora on genesis: delete anna",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            c          void: permission of operation 0, lost to a
            d          void: permission of operation 0, lost to a
            members:   anna, eric, fred, gina
        "#]],
    )
}

/// What the pick does not override is judged on: use, then revoke. Ben's use of his authority stands beside the revocation that
/// struck him, if that is how seniority orders them.
pub fn use_then_revoke_both_stand() -> Scenario {
    council(
        "a @anna on genesis: delete cleo
         b @ben on genesis:  delete anna
         c @cleo on genesis: delete ben",
        expect![[r#"
            a          live
            b          live
            c          void: permission of operation 0, lost to a
            members:   ben, dora, eric, fred, gina
        "#]],
    )
}

/// Seniority is that of the granted authority, not of the operation: Ben's old operation is junior to Anna's new one.
pub fn a_later_operation_of_an_older_authority_wins() -> Scenario {
    members(
        "in   @anna on genesis: insert members mallory who=@mallory role=admin
         far  @dora on in:      insert notes n title=x
         old  @mallory on in:   delete cleo
         new  @cleo on far:     delete mallory",
        expect![[r#"
            in         live
            far        live
            old        void: permission of operation 0, lost to new
            new        live
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
        "#]],
    )
}

/// Of several operations, the one of the most junior authority decides.
pub fn the_most_junior_authority_used_decides() -> Scenario {
    members(
        "in1  @anna on genesis: insert members fred who=@fred role=editor
         in2  @anna on in1:     insert members gina who=@gina role=admin
         in3  @anna on in2:     insert members fred2 who=@fred role=admin
         f    @fred on in3:     insert notes n title=x; delete gina
         g    @gina on in3:     delete fred2",
        expect![[r#"
            in1        live
            in2        live
            in3        live
            f          void: permission of operation 1, lost to g
            g          live
            members:   anna, ben, cleo, dora, eric, fred(who=@fred role=editor), gina(who=@gina role=admin)
        "#]],
    )
}

/// Of several rows that permit one operation, the most senior that stands decides.
pub fn the_most_senior_row_that_stands_decides() -> Scenario {
    members(
        "in1  @anna on genesis: insert members fred who=@fred role=admin
         in2  @anna on in1:     insert members gina who=@gina role=admin
         in3  @anna on in2:     insert members fred2 who=@fred role=admin
         f    @fred on in3:     delete gina
         g    @gina on in3:     delete fred; delete fred2",
        expect![[r#"
            in1        live
            in2        live
            in3        live
            f          live
            g          void: permission of operation 0, lost to f
            members:   anna, ben, cleo, dora, eric, fred(who=@fred role=admin), fred2(who=@fred role=admin)
        "#]],
    )
}

/// The same, but the senior row is gone already: the junior one is left, and loses.
pub fn a_row_that_is_gone_gives_no_seniority() -> Scenario {
    members(
        "in1  @anna on genesis: insert members fred who=@fred role=admin
         in2  @anna on in1:     insert members gina who=@gina role=admin
         in3  @anna on in2:     insert members fred2 who=@fred role=admin
         less @anna on in3:     delete fred
         f    @fred on in3:     delete gina
         g    @gina on in3:     delete fred2",
        expect![[r#"
            in1        live
            in2        live
            in3        live
            less       live
            f          void: permission of operation 0, lost to less
            g          live
            members:   anna, ben, cleo, dora, eric, gina(who=@gina role=admin)
        "#]],
    )
}

/// What needs no authority neither gives nor costs seniority.
pub fn what_is_open_to_all_does_not_count() -> Scenario {
    council(
        "a @ben on genesis:  insert drafts d owner=@ben words=x; insert guests g who=@ben; delete cleo
         b @cleo on genesis: delete ben",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            members:   anna, ben, dora, eric, fred, gina
            guests:    g(who=@ben)
            drafts:    d(owner=@ben words=x)
        "#]],
    )
}

/// Two disputes that do not touch are decided each on its own.
pub fn separate_disputes_are_decided_separately() -> Scenario {
    council(
        "a @anna on genesis: delete ben
         b @ben on genesis:  delete anna
         c @cleo on genesis: delete dora
         d @dora on genesis: delete cleo",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            c          live
            d          void: permission of operation 0, lost to c
            members:   anna, cleo, eric, fred, gina
        "#]],
    )
}

/// A dispute that hangs on another waits for it: Ben, who loses against Anna, attacks nobody, so Cleo and Dora fight on alone.
pub fn a_dispute_that_depends_on_another_waits_for_it() -> Scenario {
    council(
        "a @anna on genesis: delete ben
         b @ben on genesis:  delete anna; delete cleo
         c @cleo on genesis: delete dora
         d @dora on genesis: delete cleo",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            c          live
            d          void: permission of operation 0, lost to c
            members:   anna, cleo, eric, fred, gina
        "#]],
    )
}

/// A revocation bundled with a claim can fall with the claim.
pub fn a_revocation_bundled_with_a_claim_falls_with_the_claim() -> Scenario {
    council(
        "a @anna on genesis: insert bookings b1 room=red
         b @ben on genesis:  insert bookings b2 room=red; delete anna",
        expect![[r#"
            a          live
            b          void: unique of operation 0, lost to a
            members:   anna, ben, cleo, dora, eric, fred, gina
            bookings:  b1(room=red)
        "#]],
    )
}

/// In a transaction of its own, it stands.
pub fn a_revocation_of_its_own_does_not_fall_with_a_claim() -> Scenario {
    council(
        "a @anna on genesis: insert bookings b1 room=red
         b @ben on genesis:  insert bookings b2 room=red | delete anna",
        expect![[r#"
            a          void: permission of operation 0, lost to b.1
            b.0        live
            b.1        live
            members:   ben, cleo, dora, eric, fred, gina
            bookings:  b2(room=red)
        "#]],
    )
}

/// A dispute mixed with a key. Dora's claim is of better rank than Ben's, by a row that Anna has deleted since; what is left to her
/// hangs on Cleo, whom Ben removes. Ben's is the pick: no two rows have the key, so Dora's is void, though nothing she relies on fails.
pub fn a_pick_overrides_the_better_claim_it_disputes_with() -> Scenario {
    Scenario {
        genesis: "insert members anna who=@anna role=admin; insert members dora who=@dora role=editor; \
                  insert members ben who=@ben role=admin; insert members cleo who=@cleo role=admin; \
                  insert members dora2 who=@dora role=editor",
        ..council(
            "less  @anna on genesis: delete dora
             pick  @ben on genesis:  insert bookings b1 room=red purpose=ben; delete cleo
             cut   @cleo on genesis: delete dora2
             claim @dora on genesis: insert bookings b2 room=red purpose=dora",
            expect![[r#"
                less       live
                pick       live
                cut        void: permission of operation 0, lost to pick
                claim      void: overridden, lost to pick
                members:   anna, ben, dora2
                bookings:  b1(room=red purpose=ben)
            "#]],
        )
    }
}

/// A dispute mixed with RESTRICT: the pick deletes a project, so the invoice that hangs on the dispute does not refer to it.
pub fn a_pick_overrides_the_reference_it_disputes_with() -> Scenario {
    council(
        "p    @anna on genesis: insert projects p name=p
         pick @ben on p:        delete p; delete cleo
         cut  @cleo on p:       delete dora
         ref  @dora on p:       insert invoices v project=p words=v",
        expect![[r#"
            p          live
            pick       live
            cut        void: permission of operation 0, lost to pick
            ref        void: overridden, lost to pick
            members:   anna, ben, dora, eric, fred, gina
        "#]],
    )
}

/// A dispute mixed with CASCADE: the pick refers to a project, so the delete that hangs on the dispute does not take it.
pub fn a_pick_overrides_the_delete_it_disputes_with() -> Scenario {
    council(
        "p    @anna on genesis: insert projects p name=p
         pick @ben on p:        insert issues i project=p title=i; delete cleo
         cut  @cleo on p:       delete dora
         gone @dora on p:       delete p",
        expect![[r#"
            p          live
            pick       live
            cut        void: permission of operation 0, lost to pick
            gone       void: overridden, lost to pick
            members:   anna, ben, dora, eric, fred, gina
            projects:  p(name=p)
            issues:    i(project=p title=i)
        "#]],
    )
}

/// A pick never stands beside a live revocation of its own past: that one is overridden. Cleo's removal of Anna was void when Anna
/// wrote (Ben had removed Cleo); it hangs on the dispute, since Gina removed Ben and Dora removed Cleo.
pub fn a_pick_overrides_what_attacks_it_from_its_past() -> Scenario {
    Scenario {
        genesis: "insert members gina who=@gina role=admin; insert members anna who=@anna role=admin; \
                  insert members ben who=@ben role=admin; insert members cleo who=@cleo role=admin; \
                  insert members dora who=@dora role=admin",
        ..council(
            "c @cleo on genesis: delete anna
             b @ben on genesis:  delete cleo
             a @anna on b c:     delete dora
             g @gina on genesis: delete ben
             d @dora on genesis: delete cleo",
            expect![[r#"
                c          void: overridden, lost to a
                b          void: permission of operation 0, lost to g
                a          live
                g          live
                d          void: permission of operation 0, lost to a
                members:   anna, cleo, gina
            "#]],
        )
    }
}

/// Where two rows permit the pick, it takes the one whose attackers of its past are later: the earlier revocation stands.
pub fn a_pick_takes_the_alternative_whose_attackers_are_latest() -> Scenario {
    Scenario {
        genesis: "insert members gina who=@gina role=admin; insert members anna who=@anna role=admin; \
                  insert members anna2 who=@anna role=admin; insert members ben who=@ben role=admin; \
                  insert members cleo who=@cleo role=admin; insert members dora who=@dora role=admin",
        ..council(
            "c1 @cleo on genesis: delete anna
             c2 @cleo on c1:      delete anna2
             b  @ben on genesis:  delete cleo
             a  @anna on b c2:    delete dora
             g  @gina on genesis: delete ben
             d  @dora on genesis: delete cleo",
            expect![[r#"
                c1         live
                c2         void: overridden, lost to a
                b          void: permission of operation 0, lost to g
                a          live
                g          live
                d          void: permission of operation 0, lost to a
                members:   anna2, cleo, gina
            "#]],
        )
    }
}

/// A dispute mixed with a cascade: deleting the issue along with its project needs no authority, so the junior row that would permit
/// it as well costs Fred nothing: he acts by his oldest row, and is the pick.
pub fn a_delete_permitted_by_its_cascade_costs_no_seniority() -> Scenario {
    members(
        "in1  @anna on genesis: insert members fred who=@fred role=editor
         in2  @anna on in1:     insert members gina who=@gina role=admin
         in3  @anna on in2:     insert members fred2 who=@fred role=admin
         p    @anna on in3:     insert projects p name=p; insert issues i project=p title=i
         f    @fred on p:       delete p; delete i
         g    @gina on p:       insert labels l project=p words=l; delete fred; delete fred2",
        expect![[r#"
            in1        live
            in2        live
            in3        live
            p          live
            f          live
            g          void: foreign_key of operation 0, lost to f
            members:   anna, ben, cleo, dora, eric, fred(who=@fred role=editor), fred2(who=@fred role=admin), gina(who=@gina role=admin)
        "#]],
    )
}

/// Appointments and removals across each other: the group never locks itself out.
pub fn a_group_never_locks_itself_out() -> Scenario {
    council(
        "a  @anna on genesis: delete ben; delete cleo
         b  @ben on genesis:  insert members hugo who=@hugo role=admin
         h  @hugo on b:       delete anna; delete gina
         c  @cleo on b:       delete hugo
         g  @gina on genesis: delete fred; delete anna
         f  @fred on genesis: delete gina",
        expect![[r#"
            a          live
            b          void: permission of operation 0, lost to a
            h          void: permission of operation 0, lost to b
            c          void: permission of operation 0, lost to a
            g          void: permission of operation 0, lost to f
            f          live
            members:   anna, dora, eric, fred
        "#]],
    )
}

/// Seniority is read on the snapshot of the round. Fred's old row is under attack in a dispute of its own; his younger one permits
/// the same for certain, so he does not depend on that dispute. While it is open the old row counts: Fred is senior to Gina.
pub fn seniority_is_read_while_other_disputes_are_open() -> Scenario {
    members(
        "in1 @anna on genesis: insert members fred who=@fred role=admin
         in2 @anna on in1:     insert members gina who=@gina role=admin
         in3 @anna on in2:     insert members fred2 who=@fred role=admin; insert projects p name=p; insert projects q name=q
         x   @ben on in3:      delete fred; delete cleo
         y   @cleo on in3:     delete ben
         f   @fred on in3:     delete gina; insert labels l project=p words=l
         g   @gina on in3:     delete p",
        expect![[r#"
            in1        live
            in2        live
            in3        live
            x          live
            y          void: permission of operation 0, lost to x
            f          live
            g          void: permission of operation 0, lost to f
            members:   anna, ben, dora, eric, fred2(who=@fred role=admin)
            projects:  p(name=p), q(name=q)
            labels:    l(project=p words=l)
        "#]],
    )
}

/// If he depends on it, it is decided a round earlier: the old row is gone by then, and Gina is senior.
pub fn seniority_is_read_after_the_disputes_one_depends_on() -> Scenario {
    members(
        "in1 @anna on genesis: insert members fred who=@fred role=admin
         in2 @anna on in1:     insert members gina who=@gina role=admin
         in3 @anna on in2:     insert members fred2 who=@fred role=admin; insert projects p name=p; insert projects q name=q
         x   @ben on in3:      delete fred; delete cleo
         y   @cleo on in3:     delete ben; delete q
         f   @fred on in3:     delete gina; insert labels l project=p words=l; insert labels k project=q words=k
         g   @gina on in3:     delete p",
        expect![[r#"
            in1        live
            in2        live
            in3        live
            x          live
            y          void: permission of operation 0, lost to x
            f          void: foreign_key of operation 1, lost to g
            g          live
            members:   anna, ben, dora, eric, fred2(who=@fred role=admin), gina(who=@gina role=admin)
            projects:  q(name=q)
        "#]],
    )
}
