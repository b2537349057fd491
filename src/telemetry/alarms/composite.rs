//! Composite rules: a tree of `and` and `or` over rules that are evaluated by themselves, and no more of them than are
//! needed (specification: alarm evaluation).

use serde_json::{Map, Value as Json, json};

use super::verdict::Verdict;
use crate::telemetry::model::alarm::State;
use crate::telemetry::store::alarms::Refresh;

enum Tree {
    Leaf(usize),
    And(Vec<Tree>),
    Or(Vec<Tree>),
}

struct Leaf<'a> {
    rule: &'a Json,
    state: Option<State>,
    trend: Option<State>,
    evaluated: bool,
}

/// A composite rule that is being evaluated.
struct Evaluation<'a, F> {
    leaves: Vec<Leaf<'a>>,
    /// Evaluates one rule.
    ask: F,
}

fn plant<'a>(rule: &'a Json, leaves: &mut Vec<Leaf<'a>>) -> Tree {
    for (word, make) in [("and", Tree::And as fn(Vec<Tree>) -> Tree), ("or", Tree::Or)] {
        if let Some(parts) = rule.get(word).and_then(Json::as_array) {
            return make(parts.iter().map(|part| plant(part, leaves)).collect());
        }
    }
    leaves.push(Leaf { rule, state: None, trend: None, evaluated: false });
    Tree::Leaf(leaves.len() - 1)
}

/// The tree as reasons show it.
fn form(tree: &Tree) -> String {
    let joined = |parts: &[Tree], word: &str| format!("({})", parts.iter().map(form).collect::<Vec<_>>().join(word));
    match tree {
        Tree::Leaf(at) => format!("rule{}", at + 1),
        Tree::And(parts) => joined(parts, " and "),
        Tree::Or(parts) => joined(parts, " or "),
    }
}

impl<F: FnMut(&Json) -> Verdict> Evaluation<'_, F> {
    fn evaluate(&mut self, at: usize) {
        let Some(leaf) = self.leaves.get_mut(at).filter(|leaf| !leaf.evaluated) else { return };
        let verdict = (self.ask)(leaf.rule);
        (leaf.state, leaf.trend, leaf.evaluated) = (verdict.state, verdict.trend, true);
    }

    /// Whether the tree holds where each leaf is asked whether it is in `state`. What makes an alarm must fail for it to be
    /// ok: so for that, `and` and `or` change places.
    fn holds(&mut self, tree: &Tree, state: State) -> bool {
        let all = match tree {
            Tree::Leaf(at) => {
                self.evaluate(*at);
                return self.leaves.get(*at).is_some_and(|leaf| leaf.state == Some(state));
            }
            Tree::And(_) => state == State::Alarm,
            Tree::Or(_) => state != State::Alarm,
        };
        let (Tree::And(parts) | Tree::Or(parts)) = tree else { return false };
        if all {
            parts.iter().all(|part| self.holds(part, state))
        } else {
            parts.iter().any(|part| self.holds(part, state))
        }
    }

    /// The state, where what is known of the leaves suffices for one.
    fn decide(&mut self, tree: &Tree, was: State) -> Option<State> {
        for leaf in &mut self.leaves {
            leaf.state = match (leaf.trend, was) {
                (None, _) => leaf.state,
                (Some(trend), State::Unknown) => Some(trend),
                (Some(State::Alarm), _) => Some(State::Ok),
                (Some(_), _) => Some(State::Alarm),
            };
        }
        [State::Alarm, State::Ok].into_iter().find(|state| self.holds(tree, *state))
    }
}

/// Evaluates a composite rule of an alarm in the state `was`; `ask` evaluates one of its rules. The state of the rule, and
/// what becomes of the alarm.
pub fn evaluate(rule: &Json, was: State, repeats: bool, ask: impl FnMut(&Json) -> Verdict) -> (State, Option<Refresh>) {
    let mut leaves = Vec::new();
    let tree = plant(rule, &mut leaves);
    let mut evaluation = Evaluation { leaves, ask };
    let mut state = evaluation.decide(&tree, was);
    if state.is_none() {
        for at in 0..evaluation.leaves.len() {
            evaluation.evaluate(at);
        }
        state = evaluation.decide(&tree, was);
    }
    let state = state.unwrap_or(State::Unknown);
    let wanted = was != state || repeats && state != State::Unknown;
    (state, wanted.then(|| reason(&tree, &evaluation.leaves, was, state)))
}

fn reason(tree: &Tree, leaves: &[Leaf<'_>], was: State, state: State) -> Refresh {
    let form = form(tree);
    let causes: Map<String, Json> = leaves
        .iter()
        .enumerate()
        .filter(|(_, leaf)| leaf.state == Some(state))
        .map(|(at, leaf)| (format!("rule{}", at + 1), leaf.rule.clone()))
        .collect();
    let mut names: Vec<&str> = causes.keys().map(String::as_str).collect();
    names.sort_unstable();
    let what = if was == state { "remaining as" } else { "transition to" };
    let why = match state {
        State::Alarm => "outside their threshold.",
        State::Ok => "inside their threshold.",
        State::Unknown => "state evaluated to unknown.",
    };
    Refresh {
        state,
        reason: format!(
            "Composite rule alarm with composition form: {form} {what} {}, due to rules: {} {why}",
            state.name(),
            names.join(", ")
        ),
        reason_data: json!({"type": "composite", "composition_form": form, "causative_rules": causes}),
        always_record: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::alarms::verdict::judge;

    /// Rules whose statistics stand in them.
    fn run(rule: &Json, was: State) -> (State, Option<Refresh>, usize) {
        let mut asked = 0;
        let (state, refresh) = evaluate(rule, was, false, |rule| {
            asked += 1;
            let values: Vec<f64> = serde_json::from_value(rule["values"].clone()).unwrap();
            if values.is_empty() { Verdict::unknown("none".to_owned(), 1, values) } else { judge(rule, values) }
        });
        (state, refresh, asked)
    }

    fn leaf(values: &[f64]) -> Json {
        json!({"type": "x", "comparison_operator": "gt", "threshold": 1.0, "values": values})
    }

    #[test]
    fn trees_are_decided_by_as_few_rules_as_needed() {
        let (high, low, none, rising) = (leaf(&[2.0]), leaf(&[0.0]), leaf(&[]), leaf(&[0.0, 2.0]));
        for (rule, was, state, asked) in [
            (json!({"or": [high, low]}), State::Unknown, State::Alarm, 1),
            (json!({"and": [low, high]}), State::Unknown, State::Ok, 1),
            (json!({"and": [high, none]}), State::Ok, State::Unknown, 2),
            (json!({"or": [low, none]}), State::Ok, State::Unknown, 2),
            (json!({"or": [none, high]}), State::Ok, State::Alarm, 2),
            (json!({"and": [high, {"or": [low, {"and": [high, high]}]}]}), State::Ok, State::Alarm, 4),
            (json!({"and": [high, rising]}), State::Unknown, State::Alarm, 2),
            (json!({"and": [high, rising]}), State::Alarm, State::Ok, 2),
        ] {
            let found = run(&rule, was);
            assert_eq!((found.0, found.2), (state, asked), "{rule} {was:?}");
        }
    }

    #[test]
    fn reasons_name_the_rules_in_the_order_of_the_tree() {
        let rule = json!({"or": [leaf(&[0.0]), {"and": [leaf(&[2.0]), leaf(&[3.0])]}]});
        let refresh = run(&rule, State::Unknown).1.unwrap();
        assert_eq!(
            refresh.reason,
            "Composite rule alarm with composition form: (rule1 or (rule2 and rule3)) transition to alarm, due to rules: \
             rule2, rule3 outside their threshold."
        );
        assert_eq!(refresh.reason_data["causative_rules"]["rule3"], leaf(&[3.0]));
    }
}
