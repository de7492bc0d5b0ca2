//! What hostile authors try.

use expect_test::expect;

use super::{council, members};
use crate::scenario::Scenario;

/// A revoked author writes as if he had not heard: inserts, updates and deletes.
pub fn a_revoked_author_back_dates_data_and_deletes() -> Scenario {
    members(
        "made @anna on genesis: insert notes n1 title=one; insert notes n2 title=two
         out  @anna on made:    delete dora
         fake @dora on genesis: insert notes n3 title=fake
         edit @dora on made:    update n1 title=defaced
         wipe @dora on made:    delete n2",
        expect![[r#"
            made       live
            out        live
            fake       void: permission of operation 0, lost to out
            edit       void: permission of operation 0, lost to out
            wipe       void: permission of operation 0, lost to out
            members:   anna, ben, cleo, eric
            notes:     n1(title=one), n2(title=two)
        "#]],
    )
}

/// A revoked administrator appoints as if he had not heard; his appointees achieve nothing.
pub fn a_revoked_author_back_dates_grants() -> Scenario {
    members(
        "out   @anna on genesis:   delete ben
         grant @ben on genesis:    insert members puppet who=@puppet role=admin
         note  @puppet on grant:   insert notes n title=x
         deep  @puppet on grant:   insert members mallory who=@mallory role=editor
         note2 @mallory on deep:   insert notes m title=y",
        expect![[r#"
            out        live
            grant      void: permission of operation 0, lost to out
            note       void: permission of operation 0, lost to grant
            deep       void: permission of operation 0, lost to grant
            note2      void: permission of operation 0, lost to deep
            members:   anna, cleo, dora, eric
        "#]],
    )
}

/// A revoked administrator removes the one who removed him, as if he had not heard.
pub fn a_revoked_author_back_dates_a_counter_revocation() -> Scenario {
    members(
        "note  @anna on genesis: insert notes n title=x
         out   @anna on note:    delete ben
         back  @ben on genesis:  delete anna",
        expect![[r#"
            note       live
            out        live
            back       void: permission of operation 0, lost to out
            members:   anna, cleo, dora, eric
            notes:     n(title=x)
        "#]],
    )
}

/// Puppets appointed by a back-dated grant are junior to their maker, however many and wherever they are attached.
pub fn sock_puppets_by_back_dated_grants_achieve_nothing() -> Scenario {
    members(
        "out    @anna on genesis:   delete ben
         grant  @ben on genesis:    insert members puppet who=@puppet role=admin; insert members mallory who=@mallory role=admin
         strike @puppet on grant:   delete anna
         again  @mallory on grant:  delete anna
         guard  @puppet on genesis: delete anna",
        expect![[r#"
            out        live
            grant      void: permission of operation 0, lost to out
            strike     void: permission of operation 0, lost to grant
            again      void: permission of operation 0, lost to grant
            guard      refused: permission
            members:   anna, cleo, dora, eric
        "#]],
    )
}

/// A junior back-dates a claim against a senior's.
pub fn a_unique_key_cannot_be_taken_by_back_dating() -> Scenario {
    members(
        "far   @anna on genesis: insert notes n title=x
         fair  @cleo on far:     insert bookings b1 room=red purpose=cleo
         fake  @eric on genesis: insert bookings b2 room=red purpose=eric",
        expect![[r#"
            far        live
            fair       live
            fake       void: unique of operation 0, lost to fair
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
            bookings:  b1(room=red purpose=cleo)
        "#]],
    )
}

/// A junior back-dates an insert under another's id: the senior's row keeps it, the copy is shown under another.
pub fn an_id_cannot_be_taken_by_back_dating() -> Scenario {
    members(
        "far  @anna on genesis: insert notes n title=x
         fair @cleo on far:     insert notes mine title=mine
         fake @eric on genesis: insert notes copy id=mine title=copy
         star @dora on fair:    update mine body=read",
        expect![[r#"
            far        live
            fair       live
            fake       live
            star       live
            members:   anna, ben, cleo, dora, eric
            notes:     copy(title=copy) under another id, mine(title=mine body=read), n(title=x)
        "#]],
    )
}

/// Whoever refers to a row by name refers to that row, not to the copy of its id.
pub fn references_follow_the_row_and_not_its_id() -> Scenario {
    members(
        "far   @anna on genesis:    insert notes n title=x
         fair  @eric on far:        insert projects mine name=mine
         issue @eric on fair:       insert issues i project=mine title=i
         fake  @cleo on genesis:    insert projects copy id=mine name=copy
         more  @dora on issue fake: insert issues j project=copy title=j",
        expect![[r#"
            far        live
            fair       live
            issue      live
            fake       live
            more       live
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
            projects:  copy(name=copy), mine(name=mine) under another id
            issues:    i(project=mine title=i), j(project=copy title=j)
        "#]],
    )
}

/// A reference cannot be back-dated against a delete: it is concurrent, and void.
pub fn a_reference_back_dated_against_a_delete_is_void() -> Scenario {
    members(
        "p    @anna on genesis: insert projects p name=p
         gone @anna on p:       delete p
         fake @eric on p:       insert issues i project=p title=i",
        expect![[r#"
            p          live
            gone       live
            fake       void: foreign_key of operation 0, lost to gone
            members:   anna, ben, cleo, dora, eric
        "#]],
    )
}

/// Nobody vetoes a revocation by referring to the row that it deletes: the reference is void, the member is out.
pub fn a_reference_does_not_veto_a_revocation() -> Scenario {
    use treaty_schema::{Command, LogicalType, OnDelete};

    use crate::drawn_schema::{patch, table};

    let people = table("members")
        .required("who", LogicalType::Identity)
        .required("role", LogicalType::Text)
        .frozen(&["who", "role"])
        .policy(Command::Insert, super::is_admin())
        .policy(Command::Delete, super::is_admin());
    let badges = table("badges").references("member", "members", OnDelete::NoAction);
    let notes = table("notes").column("title", LogicalType::Text).column("body", LogicalType::Text);
    Scenario {
        schema: patch([people, super::of_members(badges), super::of_members(notes)]),
        ..members(
            "out  @anna on genesis: delete eric
             veto @eric on genesis: insert badges b member=eric
             help @dora on genesis: insert badges c member=eric
             note @eric on genesis: insert notes n title=x",
            expect![[r#"
                out        live
                veto       void: permission of operation 0, lost to out
                help       void: foreign_key of operation 0, lost to out
                note       void: permission of operation 0, lost to out
                members:   anna, ben, cleo, dora
            "#]],
        )
    }
}

/// Seniority is not to be had from a table that is open to all: not by the guests of such a table, nor by whom they let in.
pub fn seniority_cannot_be_fetched_from_an_open_table() -> Scenario {
    members(
        "guest @mallory on genesis: insert guests g who=@mallory
         claim @mallory on guest:   insert bookings b1 room=red purpose=mallory
         in    @anna on genesis:    insert members hugo who=@hugo role=editor
         far   @anna on in:         insert notes n title=x
         fair  @hugo on far:        insert bookings b2 room=red purpose=hugo",
        expect![[r#"
            guest      live
            claim      void: unique of operation 0, lost to fair
            in         live
            far        live
            fair       live
            members:   anna, ben, cleo, dora, eric, hugo(who=@hugo role=editor)
            guests:    g(who=@mallory)
            notes:     n(title=x)
            bookings:  b2(room=red purpose=hugo)
        "#]],
    )
}

/// The same with the open row and the claim in one transaction.
pub fn seniority_cannot_be_fetched_from_an_own_row() -> Scenario {
    members(
        "claim @mallory on genesis: insert guests g who=@mallory; insert bookings b1 room=red purpose=mallory
         in    @anna on genesis:    insert members hugo who=@hugo role=editor
         far   @anna on in:         insert notes n title=x
         fair  @hugo on far:        insert bookings b2 room=red purpose=hugo",
        expect![[r#"
            claim      void: unique of operation 1, lost to fair
            in         live
            far        live
            fair       live
            members:   anna, ben, cleo, dora, eric, hugo(who=@hugo role=editor)
            notes:     n(title=x)
            bookings:  b2(room=red purpose=hugo)
        "#]],
    )
}

/// A stranger is refused, and so is everything on top of him.
pub fn strangers_and_descendants_of_refused_entries_are_refused() -> Scenario {
    members(
        "stranger @mallory on genesis:  insert notes n title=x
         child    @anna on stranger:    insert notes m title=y
         grand    @anna on child:       insert drafts d owner=@anna words=z
         merged   @anna on genesis child: insert drafts d2 owner=@anna words=z",
        expect![[r#"
            stranger   refused: permission
            child      refused: ancestor
            grand      refused: ancestor
            merged     refused: ancestor
            members:   anna, ben, cleo, dora, eric
        "#]],
    )
}

/// An author forks his own chain: both entries count, and harm nobody who does not rely on him.
pub fn equivocation_is_two_entries_that_both_count() -> Scenario {
    members(
        "one   @dora on genesis: insert notes n title=one
         left  @dora on one:     update n title=left; insert bookings b1 room=red
         right @dora on one:     update n body=right; insert bookings b2 room=blue
         read  @eric on left:    update n title=read",
        expect![[r#"
            one        live
            left       live
            right      live
            read       live
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=read body=right)
            bookings:  b1(room=red), b2(room=blue)
        "#]],
    )
}

/// An author forks his own chain to have one key twice: one of the two stands.
pub fn equivocation_does_not_give_a_key_twice() -> Scenario {
    members(
        "far   @eric on genesis: insert notes n title=x
         left  @dora on genesis: insert bookings b1 room=red
         right @dora on far:     insert bookings b2 room=red",
        expect![[r#"
            far        live
            left       live
            right      void: unique of operation 0, lost to left
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
            bookings:  b1(room=red)
        "#]],
    )
}

/// A late entry, attached at genesis, by somebody whom nobody revoked, harms nothing.
pub fn a_late_entry_at_genesis_voids_nothing() -> Scenario {
    members(
        "one  @anna on genesis: insert projects p name=p
         two  @ben on one:      insert issues i project=p title=i
         late @eric on genesis: insert notes n title=late",
        expect![[r#"
            one        live
            two        live
            late       live
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=late)
            projects:  p(name=p)
            issues:    i(project=p title=i)
        "#]],
    )
}

/// Whoever has been removed, and had seen it, cannot remove anybody: his entry is refused wherever the removal is in its past.
pub fn a_removed_author_on_top_of_his_removal_is_refused() -> Scenario {
    council(
        "out  @anna on genesis: delete ben
         far  @cleo on genesis: insert notes n title=x
         back @ben on out far:  delete anna",
        expect![[r#"
            out        live
            far        live
            back       refused: permission
            members:   anna, cleo, dora, eric, fred, gina
            notes:     n(title=x)
        "#]],
    )
}

/// Counter-revocations of counter-revocations: the order of appointment decides all of it at once.
pub fn counter_revocations_of_any_depth_are_decided_by_seniority() -> Scenario {
    council(
        "c1 @cleo on genesis: delete ben
         b1 @ben on genesis:  delete anna
         far @eric on genesis: insert notes n title=x
         a1 @anna on far:     delete ben
         b2 @ben on b1:       delete cleo
         c2 @cleo on c1:      delete anna",
        expect![[r#"
            c1         live
            b1         void: permission of operation 0, lost to c1
            far        live
            a1         live
            b2         void: permission of operation 0, lost to c1
            c2         live
            members:   cleo, dora, eric, fred, gina
            notes:     n(title=x)
        "#]],
    )
}

/// Whoever inserts a row under the id of another's does not pass for its owner: policies compare rows, not ids.
pub fn a_copied_id_passes_no_policy_in_the_name_of_another() -> Scenario {
    use treaty_schema::{Command, LogicalType, OnDelete};

    use crate::drawn_schema::{all, author, col, eq, exists, patch, scalar, table};

    // works (owner): whoever is the owner; parts (work REFERENCES works): the owner of the work.
    let is_owner = || scalar(eq(col("owner"), author()));
    let owns_work = || exists(&["works w"], all([eq(col("w.id"), col("work")), eq(col("w.owner"), author())]));
    let works = table("works").required("owner", LogicalType::Identity).frozen(&["owner"]);
    let works = works.policy(Command::Insert, is_owner()).policy(Command::Delete, is_owner());
    let parts = table("parts").references("work", "works", OnDelete::Cascade).frozen(&["work"]);
    let parts = parts.policy(Command::Insert, owns_work()).policy(Command::Delete, owns_work());
    Scenario {
        schema: patch([works, parts]),
        genesis: "insert works w owner=@anna",
        ..members(
            "gone  @anna on genesis: insert works w2 owner=@anna | delete w2
             copy  @mallory on gone: insert works fake id=w2 owner=@mallory
             own   @mallory on copy: insert parts p1 work=fake
             steal @mallory on copy: insert parts p2 work=w2
             twin  @puppet on genesis: insert works fake2 id=w2 owner=@puppet
             both  @mallory on copy twin: insert parts p3 work=fake
             other @mallory on copy twin: insert parts p4 work=fake2
             mine  @puppet on copy twin:  insert parts p5 work=fake2",
            expect![[r#"
                gone.0     live
                gone.1     live
                copy       live
                own        live
                steal      refused: permission
                twin       live
                both       live
                other      refused: permission
                mine       live
                works:     fake(owner=@mallory) under another id, fake2(owner=@puppet), w
                parts:     p1(work=fake), p3(work=fake), p5(work=fake2)
            "#]],
        )
    }
}

/// Seniority is not handed on either: what is inserted by the authority of an open table's row grants none.
pub fn seniority_cannot_be_handed_on_from_an_open_table() -> Scenario {
    use treaty_schema::{Command, LogicalType};

    use crate::drawn_schema::{author, col, eq, exists, patch, table};

    // friends (who): guests insert; bookings: friends as well as members.
    let is_friend = || exists(&["friends f"], eq(col("f.who"), author()));
    let mut schema = super::club();
    let friends = table("friends").required("who", LogicalType::Identity).frozen(&["who"]);
    let calls = table("calls").column("key", LogicalType::Text).unique(&["key"]);
    let calls = calls.policy(Command::Insert, is_friend()).policy(Command::Insert, super::is_member());
    schema.changes.extend(patch([friends.policy(Command::Insert, super::is_guest()), calls]).changes);
    Scenario {
        schema,
        ..members(
            "guest  @mallory on genesis: insert guests g who=@mallory
             friend @mallory on guest:   insert friends f who=@puppet
             call   @puppet on friend:   insert calls c1 key=red
             far    @anna on genesis:    insert notes n1 title=x
             far2   @anna on far:        insert notes n2 title=x
             in     @anna on far2:       insert members hugo who=@hugo role=editor
             fair   @hugo on in:         insert calls c2 key=red",
            expect![[r#"
                guest      live
                friend     live
                call       void: unique of operation 0, lost to fair
                far        live
                far2       live
                in         live
                fair       live
                members:   anna, ben, cleo, dora, eric, hugo(who=@hugo role=editor)
                guests:    g(who=@mallory)
                notes:     n1(title=x), n2(title=x)
                friends:   f(who=@puppet)
                calls:     c2(key=red)
            "#]],
        )
    }
}

/// Nor is it to be had from an own row of an open table where the policy also asks for a row of genesis: bundled with its use,
/// the row gives what it would give in a transaction of its own, nothing. A row that a member inserts by his authority does.
pub fn seniority_cannot_be_fetched_by_using_an_open_row_with_one_of_genesis() -> Scenario {
    use treaty_schema::{Command, LogicalType};

    use crate::drawn_schema::{all, author, col, eq, exists, patch, table, text};

    let both = |holders: &str| {
        exists(&[holders, "members m"], all([eq(col("h.who"), author()), eq(col("m.role"), text("admin"))]))
    };
    let mut schema = super::club();
    let staff = table("staff").required("who", LogicalType::Identity).frozen(&["who"]);
    let calls = table("calls").column("key", LogicalType::Text).unique(&["key"]);
    let calls = calls.policy(Command::Insert, both("guests h")).policy(Command::Insert, both("staff h"));
    schema.changes.extend(patch([staff.policy(Command::Insert, super::is_member()), calls]).changes);
    Scenario {
        schema,
        ..members(
            "bundle @mallory on genesis: insert guests g who=@mallory; insert calls c1 key=red
             honest @ben on genesis:     insert staff s who=@ben; insert calls c2 key=blue
             in     @anna on genesis:    insert members hugo who=@hugo role=editor
             hired  @hugo on in:         insert staff t who=@hugo
             fair   @hugo on hired:      insert calls c3 key=red
             late   @hugo on fair:       insert calls c4 key=blue",
            expect![[r#"
                bundle     void: unique of operation 1, lost to fair
                honest     live
                in         live
                hired      live
                fair       live
                late       void: unique of operation 0, lost to honest
                members:   anna, ben, cleo, dora, eric, hugo(who=@hugo role=editor)
                staff:     s(who=@ben), t(who=@hugo)
                calls:     c2(key=blue), c3(key=red)
            "#]],
        )
    }
}
