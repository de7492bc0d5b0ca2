//! UNIQUE keys: who has them, and until when.

use expect_test::expect;

use super::members;
use crate::scenario::Scenario;

/// Two people book the same room offline: the booking of the more senior stands, whoever wrote first.
pub fn the_more_senior_claim_wins() -> Scenario {
    members(
        "early @dora on genesis: insert bookings b1 room=red purpose=dora
         other @anna on genesis: insert notes n title=x
         late  @ben on other:    insert bookings b2 room=red purpose=ben",
        expect![[r#"
            early      void: unique of operation 0, lost to late
            other      live
            late       live
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
            bookings:  b2(room=red purpose=ben)
        "#]],
    )
}

/// Different keys, and NULLs, are nobody's business.
pub fn different_keys_and_nulls_do_not_meet() -> Scenario {
    members(
        "one @dora on genesis: insert bookings b1 room=red; insert bookings b2 room=NULL
         two @eric on genesis: insert bookings b3 room=blue; insert bookings b4 room=NULL",
        expect![[r#"
            one        live
            two        live
            members:   anna, ben, cleo, dora, eric
            bookings:  b1(room=red), b2(), b3(room=blue), b4()
        "#]],
    )
}

/// A key of several columns is claimed as a whole.
pub fn a_key_of_two_columns_is_claimed_as_a_whole() -> Scenario {
    members(
        "one   @dora on genesis: insert seats s1 line=1 place=1; insert seats s2 line=1 place=2
         two   @eric on genesis: insert seats s3 line=2 place=1
         three @eric on genesis: insert seats s4 line=1 place=2",
        expect![[r#"
            one        live
            two        live
            three      void: unique of operation 0, lost to one
            members:   anna, ben, cleo, dora, eric
            seats:     s1(line=1 place=1), s2(line=1 place=2), s3(line=2 place=1)
        "#]],
    )
}

/// Whoever had seen the claim is refused.
pub fn a_claim_of_a_key_that_is_taken_is_refused() -> Scenario {
    members(
        "one  @dora on genesis: insert bookings b1 room=red
         two  @anna on one:     insert bookings b2 room=red
         move @eric on one:     insert bookings b3 room=blue | update b3 room=red",
        expect![[r#"
            one        live
            two        refused: unique
            move       refused: unique
            members:   anna, ben, cleo, dora, eric
            bookings:  b1(room=red)
        "#]],
    )
}

/// Between claims of the same authority the position decides: height first, so the one that was written on less.
pub fn claims_of_one_authority_go_by_position() -> Scenario {
    members(
        "far  @eric on genesis: insert notes n title=x
         high @dora on far:     insert bookings b1 room=red purpose=high
         low  @dora on genesis: insert bookings b2 room=red purpose=low",
        expect![[r#"
            far        live
            high       void: unique of operation 0, lost to low
            low        live
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
            bookings:  b2(room=red purpose=low)
        "#]],
    )
}

/// A claim that is void does not count: the other stands.
pub fn a_void_claim_does_not_count() -> Scenario {
    members(
        "senior @ben on genesis:  insert bookings b1 room=red purpose=ben
         junior @dora on genesis: insert bookings b2 room=red purpose=dora
         out    @anna on genesis: delete ben",
        expect![[r#"
            senior     void: permission of operation 0, lost to out
            junior     live
            out        live
            members:   anna, cleo, dora, eric
            bookings:  b2(room=red purpose=dora)
        "#]],
    )
}

/// A claim counts although its row is deleted concurrently: only a release in the past of the other frees the key.
pub fn a_release_that_the_other_had_not_seen_does_not_free_the_key() -> Scenario {
    members(
        "taken @ben on genesis:  insert bookings b1 room=red purpose=ben
         freed @ben on taken:    delete b1
         blind @dora on genesis: insert bookings b2 room=red purpose=blind
         seen  @eric on freed:   insert bookings b3 room=red purpose=seen",
        expect![[r#"
            taken      live
            freed      live
            blind      void: unique of operation 0, lost to taken
            seen       live
            members:   anna, ben, cleo, dora, eric
            bookings:  b3(room=red purpose=seen)
        "#]],
    )
}

/// A release frees the key for whoever had seen it: by a delete of the row, or by another write of its cell.
pub fn a_release_frees_the_key_for_those_who_saw_it() -> Scenario {
    members(
        "taken @ben on genesis: insert bookings b1 room=red; insert bookings b2 room=blue
         freed @ben on taken:   delete b1; update b2 room=green
         seen  @eric on freed:  insert bookings b3 room=red; insert bookings b4 room=blue",
        expect![[r#"
            taken      live
            freed      live
            seen       live
            members:   anna, ben, cleo, dora, eric
            bookings:  b2(room=green), b3(room=red), b4(room=blue)
        "#]],
    )
}

/// When the release turns out to be void, the first claim counts again, and what relied on the release is void.
pub fn a_claim_falls_with_the_release_it_had_seen() -> Scenario {
    members(
        "taken @dora on genesis: insert bookings b1 room=red purpose=dora
         freed @eric on taken:   update b1 room=blue
         seen  @ben on freed:    insert bookings b2 room=red purpose=ben
         out   @anna on taken:   delete eric",
        expect![[r#"
            taken      live
            freed      void: permission of operation 0, lost to out
            seen       void: unique of operation 0, lost to taken
            out        live
            members:   anna, ben, cleo, dora
            bookings:  b1(room=red purpose=dora)
        "#]],
    )
}

/// A hidden claim counts: whoever claims the key concurrently with all of it loses against a more senior.
pub fn a_hidden_claim_counts() -> Scenario {
    members(
        "taken  @ben on genesis:  insert bookings b1 room=red
         moved  @ben on taken:    update b1 room=blue
         junior @dora on genesis: insert bookings b2 room=red",
        expect![[r#"
            taken      live
            moved      live
            junior     void: unique of operation 0, lost to taken
            members:   anna, ben, cleo, dora, eric
            bookings:  b1(room=blue)
        "#]],
    )
}

/// An update claims as an insert does; when it is void, the row has the key that it had.
pub fn an_update_that_loses_its_key_is_undone() -> Scenario {
    members(
        "two  @dora on genesis: insert bookings b1 room=red; insert bookings b2 room=blue
         move @dora on two:     update b1 room=green
         win  @ben on two:      update b2 room=green",
        expect![[r#"
            two        live
            move       void: unique of operation 0, lost to win
            win        live
            members:   anna, ben, cleo, dora, eric
            bookings:  b1(room=red), b2(room=green)
        "#]],
    )
}

/// A guest's row is one of an open table: it gives no seniority, and loses against any member.
pub fn authority_that_anybody_can_take_loses() -> Scenario {
    members(
        "guest  @mallory on genesis: insert guests g who=@mallory | insert bookings b1 room=red purpose=guest
         far    @anna on genesis:    insert notes n1 title=x
         far2   @anna on far:        insert notes n2 title=x
         member @eric on far2:       insert bookings b2 room=red purpose=member",
        expect![[r#"
            guest.0    live
            guest.1    void: unique of operation 0, lost to member
            far        live
            far2       live
            member     live
            members:   anna, ben, cleo, dora, eric
            guests:    g(who=@mallory)
            notes:     n1(title=x), n2(title=x)
            bookings:  b2(room=red purpose=member)
        "#]],
    )
}

/// Rank is that of the claimant's own past, fixed for ever: losing the senior row later, to a concurrent revocation, changes it not.
pub fn rank_is_fixed_in_the_past_of_the_claim() -> Scenario {
    members(
        "twice @anna on genesis: insert members ben2 who=@ben role=editor
         claim @ben on twice:    insert bookings b1 room=red purpose=ben
         rival @cleo on twice:   insert bookings b2 room=red purpose=cleo
         out   @anna on twice:   delete ben",
        expect![[r#"
            twice      live
            claim      live
            rival      void: unique of operation 0, lost to claim
            out        live
            members:   anna, ben2(who=@ben role=editor), cleo, dora, eric
            bookings:  b1(room=red purpose=ben)
        "#]],
    )
}

/// Three claims of one key: one stands, whatever befalls the best of them.
pub fn one_of_three_claims_stands() -> Scenario {
    members(
        "first  @ben on genesis:  insert bookings b1 room=red purpose=ben
         second @cleo on genesis: insert bookings b2 room=red purpose=cleo
         third  @dora on genesis: insert bookings b3 room=red purpose=dora
         out    @anna on genesis: delete ben",
        expect![[r#"
            first      void: permission of operation 0, lost to out
            second     live
            third      void: unique of operation 0, lost to second
            out        live
            members:   anna, cleo, dora, eric
            bookings:  b2(room=red purpose=cleo)
        "#]],
    )
}

/// What relies on a booking falls with it, though it lost a key and not a permission.
pub fn a_transaction_falls_as_a_whole_with_a_key() -> Scenario {
    members(
        "lost @dora on genesis: insert bookings b1 room=red; insert projects p name=p
         more @eric on lost:    insert labels l project=p words=x
         win  @ben on genesis:  insert bookings b2 room=red",
        expect![[r#"
            lost       void: unique of operation 0, lost to win
            more       void: foreign_key of operation 0, lost to lost
            win        live
            members:   anna, ben, cleo, dora, eric
            bookings:  b2(room=red)
        "#]],
    )
}

/// A claim of the past that was void when its key was taken, and is live again, has it, whoever is more senior.
pub fn a_claim_of_the_past_that_is_live_again_has_the_key() -> Scenario {
    members(
        "first @dora on genesis:  insert bookings b1 room=red purpose=dora
         out   @cleo on genesis:  delete dora
         taken @ben on first out: insert bookings b2 room=red purpose=ben
         coup  @anna on genesis:  delete cleo",
        expect![[r#"
            first      live
            out        void: permission of operation 0, lost to coup
            taken      void: unique of operation 0, lost to first
            coup       live
            members:   anna, ben, dora, eric
            bookings:  b1(room=red purpose=dora)
        "#]],
    )
}

/// A claim by a row whose insert is void does not count, though the write that made it is live.
pub fn a_claim_of_a_row_that_never_was_does_not_count() -> Scenario {
    members(
        "made  @dora on genesis: insert bookings b1 room=blue
         moved @ben on made:     update b1 room=red
         other @eric on genesis: insert bookings b2 room=red
         out   @anna on genesis: delete dora",
        expect![[r#"
            made       void: permission of operation 0, lost to out
            moved      live
            other      live
            out        live
            members:   anna, ben, cleo, eric
            bookings:  b2(room=red)
        "#]],
    )
}

/// A key that no index holds is refused, inserted or written over another; bytes are counted, not letters, and in keys only.
pub fn a_key_is_as_large_as_an_index_holds() -> Scenario {
    members(
        "most   @dora on genesis: insert bookings b1 room=x*2048
         over   @eric on genesis: insert bookings b2 room=x*2049
         wide   @eric on genesis: insert bookings b3 room=é*1024
         wider  @eric on genesis: insert bookings b4 room=é*1025
         shift  @dora on most:    update b1 room=y*2048
         grow   @dora on most:    update b1 room=y*2049
         whole  @dora on most:    insert bookings b5 room=red | update b5 room=y*3000
         free   @eric on most:    update b1 purpose=z*9000; insert notes n title=z*9000",
        expect![[r#"
            most       live
            over       refused: key_too_large
            wide       live
            wider      refused: key_too_large
            shift      live
            grow       refused: key_too_large
            whole      refused: key_too_large
            free       live
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=z*9000)
            bookings:  b1(room=y*2048 purpose=z*9000), b3(room=é*1024)
        "#]],
    )
}

/// The texts of a key together, and 64 bytes for each column of another type.
pub fn the_columns_of_a_key_count_together() -> Scenario {
    members(
        "most   @dora on genesis: insert shelves s1 hall=x*1000 label=y*984 keeper=@dora
         over   @dora on genesis: insert shelves s2 hall=x*1000 label=y*985 keeper=@dora
         one    @dora on genesis: insert shelves s3 hall=x*1984 keeper=@dora label=NULL
         two    @dora on genesis: insert shelves s4 hall=x*1985 keeper=@dora label=NULL
         shift  @eric on most:    update s1 hall=x*984 label=y*1000 keeper=@eric
         grow   @eric on most:    update s1 hall=x*985 label=y*1000 keeper=@eric",
        expect![[r#"
            most       live
            over       refused: key_too_large
            one        live
            two        refused: key_too_large
            shift      live
            grow       refused: key_too_large
            members:   anna, ben, cleo, dora, eric
            shelves:   s1(hall=x*984 label=y*1000 keeper=@eric), s3(hall=x*1984 keeper=@dora)
        "#]],
    )
}

/// A key with NULL in it is nobody's, but an index holds it all the same.
pub fn a_key_with_null_in_it_is_no_larger() -> Scenario {
    members(
        "most   @dora on genesis: insert shelves s1 hall=x*1984
         over   @dora on genesis: insert shelves s2 hall=x*1985
         grow   @eric on most:    update s1 hall=NULL label=y*1985 keeper=NULL",
        expect![[r#"
            most       live
            over       refused: key_too_large
            grow       refused: key_too_large
            members:   anna, ben, cleo, dora, eric
            shelves:   s1(hall=x*1984)
        "#]],
    )
}

/// The columns of a key are one cell, so that no two writes become a key that nobody wrote.
pub fn of_two_large_keys_one_is_shown_whole() -> Scenario {
    members(
        "made   @dora on genesis: insert shelves s1 hall=red
         note   @dora on made:    insert notes n title=x
         left   @eric on made:    update s1 hall=x*1900 label=y*84 keeper=NULL
         right  @dora on note:    update s1 hall=y*84 label=z*1900 keeper=NULL
         torn   @eric on made:    update s1 hall=x*1900",
        expect![[r#"
            made       live
            note       live
            left       live
            right      live
            torn       refused: schema
            members:   anna, ben, cleo, dora, eric
            notes:     n(title=x)
            shelves:   s1(hall=y*84 label=z*1900)
        "#]],
    )
}
