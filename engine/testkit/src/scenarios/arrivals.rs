//! What an entry changes that arrives when others have been judged already: here the order of telling is the point.

use expect_test::expect;

use super::members;
use crate::scenario::Scenario;

/// A dispute looks at another that begins last: nobody's verdict in that one changes, and yet Fred, who had lost as his old row was
/// gone, is senior now, for the row counts while the removal that took it is undecided.
pub fn a_dispute_is_decided_anew_when_what_it_looks_at_is_disputed() -> Scenario {
    members(
        "in1 @anna on genesis: insert members fred who=@fred role=admin
         in2 @anna on in1:     insert members gina who=@gina role=admin
         in3 @anna on in2:     insert members fred2 who=@fred role=admin; insert projects p name=p; insert projects q name=q
         x   @ben on in3:      delete fred; delete cleo
         f   @fred on in3:     delete gina; insert labels l project=p words=l
         g   @gina on in3:     delete p
         y   @cleo on in3:     delete ben",
        expect![[r#"
            in1        live
            in2        live
            in3        live
            x          live
            f          live
            g          void: permission of operation 0, lost to f
            y          void: permission of operation 0, lost to x
            members:   anna, ben, dora, eric, fred2(who=@fred role=admin)
            projects:  p(name=p), q(name=q)
            labels:    l(project=p words=l)
        "#]],
    )
}
