//! Policies of keys: documents that say who may do what with one key, and the one function that
//! reads them (AWS's contract, section 7).
//!
//! A document that says nothing of somebody lets nobody in. A statement for a whole account lets
//! that account's roles decide; one for a user lets that user in without a role. What is denied is
//! denied, whatever else allows it.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Whether a statement lets somebody in or keeps them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It lets in.
    Allow,
    /// It keeps out.
    Deny,
}

/// A list, or everything but a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed<T> {
    /// What is listed.
    In(Vec<T>),
    /// All else.
    NotIn(Vec<T>),
}

/// One statement of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it does.
    pub effect: Effect,
    /// To whom: ARNs, account ids, or `*` for everybody.
    pub principals: Listed<String>,
    /// For which actions; `*` and `?` stand for any letters, and case is nothing.
    pub actions: Listed<String>,
    /// On which keys, by patterns of their ARNs.
    pub resources: Vec<String>,
    /// Only while all of these hold.
    pub conditions: Vec<Condition>,
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its statements, in their order.
    pub statements: Vec<Statement>,
}

/// What a condition asks of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// The same text.
    StringEquals,
    /// The same text, whatever its case.
    StringEqualsIgnoreCase,
    /// A text that fits a pattern.
    StringLike,
    /// `true` or `false`.
    Bool,
    /// Whether the key is absent.
    Null,
    /// The same number.
    NumericEquals,
    /// A smaller number.
    NumericLessThan,
    /// No greater number.
    NumericLessThanEquals,
    /// A greater number.
    NumericGreaterThan,
    /// No smaller number.
    NumericGreaterThanEquals,
    /// An address in a block.
    IpAddress,
    /// An ARN that fits a pattern, part by part.
    ArnLike,
}

/// How a condition looks at several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// The one value that there is.
    One,
    /// One of them must pass.
    ForAnyValue,
    /// All of them must pass; none is all.
    ForAllValues,
}

/// A condition: a key's values against those that are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// How it looks at several values.
    pub quantifier: Quantifier,
    /// What it asks.
    pub test: Test,
    /// Whether it holds when the test does not.
    pub negated: bool,
    /// Whether it holds when the key is absent.
    pub if_exists: bool,
    /// The key, as it is written.
    pub key: String,
    /// What its values are held against: one of them is enough.
    pub values: Vec<String>,
}

/// What is asked of a document.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The account of the caller.
    pub account: &'a str,
    /// The ARN of the caller; `None` when no ARN can mean them.
    pub caller: Option<&'a str>,
    /// The action, as in `kms:Decrypt`.
    pub action: &'a str,
    /// The ARN of the key.
    pub key: &'a str,
    /// What conditions can ask about, by their keys in lower case; without those that are absent.
    pub facts: &'a BTreeMap<String, Vec<String>>,
}

/// What a document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No, whatever else says yes.
    Denied,
    /// Yes.
    Allowed,
    /// The roles in the caller's account decide.
    Delegated,
    /// Nothing: roles are void.
    Silent,
}

impl Policy {
    /// What the document says to a question.
    pub fn answer(&self, question: &Question<'_>) -> Answer {
        let mut answer = Answer::Silent;
        for statement in &self.statements {
            if !statement.is_about(question) {
                continue;
            }
            match (statement.effect, statement.meets(question)) {
                (_, Meets::Nobody) => {}
                (Effect::Deny, _) => return Answer::Denied,
                (Effect::Allow, Meets::Caller) => answer = Answer::Allowed,
                (Effect::Allow, Meets::Account) if answer == Answer::Silent => {
                    answer = Answer::Delegated;
                }
                (Effect::Allow, Meets::Account) => {}
            }
        }
        answer
    }

    /// Whether a condition asks about a key that begins so, in lower case.
    pub fn asks_about(&self, start: &str) -> bool {
        self.statements
            .iter()
            .flat_map(|statement| &statement.conditions)
            .any(|condition| condition.key.to_ascii_lowercase().starts_with(start))
    }
}

/// Whom a statement means.
enum Meets {
    Nobody,
    Caller,
    Account,
}

impl Statement {
    fn is_about(&self, question: &Question<'_>) -> bool {
        let is_action = |pattern: &String| {
            is_like(
                &pattern.to_ascii_lowercase(),
                &question.action.to_ascii_lowercase(),
            )
        };
        let acts = match &self.actions {
            Listed::In(actions) => actions.iter().any(is_action),
            Listed::NotIn(actions) => !actions.iter().any(is_action),
        };
        acts && self
            .resources
            .iter()
            .any(|pattern| is_like(pattern, question.key))
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(question.facts))
    }

    fn meets(&self, question: &Question<'_>) -> Meets {
        let is_account = |principal: &String| {
            principal == question.account
                || *principal == format!("arn:aws:iam::{}:root", question.account)
        };
        let is_caller =
            |principal: &String| principal == "*" || Some(principal.as_str()) == question.caller;
        match &self.principals {
            Listed::In(principals) if principals.iter().any(is_caller) => Meets::Caller,
            Listed::In(principals) if principals.iter().any(is_account) => Meets::Account,
            Listed::In(_) => Meets::Nobody,
            Listed::NotIn(principals)
                if principals.iter().any(is_caller) || principals.iter().any(is_account) =>
            {
                Meets::Nobody
            }
            Listed::NotIn(_) => Meets::Caller,
        }
    }
}

impl Condition {
    fn holds(&self, facts: &BTreeMap<String, Vec<String>>) -> bool {
        let found = facts.get(&self.key.to_ascii_lowercase());
        if self.test == Test::Null {
            let absent = found.is_none().to_string();
            return self.values.contains(&absent);
        }
        let passes = |value: &String| {
            let fits = self
                .values
                .iter()
                .any(|given| self.test.passes(given, value));
            fits != self.negated
        };
        match (self.quantifier, found) {
            (_, None) if self.if_exists => true,
            (Quantifier::ForAllValues, None) => true,
            (Quantifier::ForAnyValue, None) => false,
            (Quantifier::One, None) => self.negated,
            (Quantifier::ForAllValues, Some(values)) => values.iter().all(passes),
            (Quantifier::One | Quantifier::ForAnyValue, Some(values)) => values.iter().any(passes),
        }
    }
}

impl Test {
    fn passes(self, given: &str, value: &str) -> bool {
        let numbers = |holds: fn(f64, f64) -> bool| match (value.parse(), given.parse()) {
            (Ok(value), Ok(given)) => holds(value, given),
            _ => false,
        };
        match self {
            Test::StringEquals => given == value,
            Test::StringEqualsIgnoreCase | Test::Bool => given.eq_ignore_ascii_case(value),
            Test::StringLike => is_like(given, value),
            // Looked at before: it is about whether there is a value.
            Test::Null => false,
            Test::NumericEquals => numbers(|value, given| value == given),
            Test::NumericLessThan => numbers(|value, given| value < given),
            Test::NumericLessThanEquals => numbers(|value, given| value <= given),
            Test::NumericGreaterThan => numbers(|value, given| value > given),
            Test::NumericGreaterThanEquals => numbers(|value, given| value >= given),
            Test::IpAddress => is_in_block(given, value),
            Test::ArnLike => {
                let (patterns, parts) = (given.splitn(6, ':'), value.splitn(6, ':'));
                patterns.clone().count() == parts.clone().count()
                    && patterns
                        .zip(parts)
                        .all(|(pattern, part)| is_like(pattern, part))
            }
        }
    }
}

/// Whether a text fits a pattern, in which `*` stands for any letters and `?` for one.
fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and how far it reaches: what does not fit makes it reach further.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, reach)) => {
                    star = Some((at, reach + 1));
                    p = at + 1;
                    t = reach + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether an address is in a block (`192.0.2.0/24`), or is the one address.
fn is_in_block(block: &str, address: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    match parse_block(block) {
        Some((IpAddr::V4(base), bits)) => match address.to_canonical() {
            IpAddr::V4(address) => {
                shifted(u128::from(base.to_bits()), 32 - bits)
                    == shifted(u128::from(address.to_bits()), 32 - bits)
            }
            IpAddr::V6(_) => false,
        },
        Some((IpAddr::V6(base), bits)) => match address {
            IpAddr::V6(address) => {
                shifted(base.to_bits(), 128 - bits) == shifted(address.to_bits(), 128 - bits)
            }
            IpAddr::V4(_) => false,
        },
        None => false,
    }
}

fn shifted(bits: u128, by: u32) -> u128 {
    bits.checked_shr(by).unwrap_or(0)
}

/// Reads a block of addresses: its first address and how many bits are the same in all of them.
pub fn parse_block(block: &str) -> Option<(IpAddr, u32)> {
    let (base, bits) = match block.split_once('/') {
        Some((base, bits)) => (base, Some(bits)),
        None => (block, None),
    };
    let base: IpAddr = base.parse().ok()?;
    let most = if base.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
        None => most,
    };
    Some((base, bits))
}

/// The keys that conditions can ask about; those that end in `:` or `/` begin some. The last three
/// are never there: no service calls for anybody here.
pub const CONDITION_KEYS: [&str; 16] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:requestedregion",
    "aws:resourcetag/",
    "aws:sourceip",
    "aws:username",
    "kms:calleraccount",
    "kms:encryptioncontext:",
    "kms:encryptioncontextkeys",
    "kms:keyorigin",
    "kms:keyusage",
    "kms:multiregion",
    "kms:resourcealiases",
    "kms:grantisforawsresource",
    "kms:viaservice",
    "aws:principalisawsservice",
];

/// Whether conditions can ask about a key.
pub fn is_condition_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    CONDITION_KEYS.iter().any(|known| {
        if known.ends_with([':', '/']) {
            key.len() > known.len() && key.starts_with(known)
        } else {
            key == *known
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "arn:aws:iam::111111111111:user/alice";
    const ROOT: &str = "arn:aws:iam::111111111111:root";
    const KEY: &str = "arn:aws:kms:r:111111111111:key/k";

    fn statement(effect: Effect, principal: &str, action: &str) -> Statement {
        Statement {
            effect,
            principals: Listed::In(vec![principal.into()]),
            actions: Listed::In(vec![action.into()]),
            resources: vec!["*".into()],
            conditions: Vec::new(),
        }
    }

    fn ask(statements: Vec<Statement>, action: &str, facts: &[(&str, &[&str])]) -> Answer {
        let facts = facts
            .iter()
            .map(|(key, values)| {
                let values = values.iter().map(|value| (*value).to_owned()).collect();
                ((*key).to_owned(), values)
            })
            .collect();
        Policy { statements }.answer(&Question {
            account: "111111111111",
            caller: Some(ALICE),
            action,
            key: KEY,
            facts: &facts,
        })
    }

    #[test]
    fn denial_beats_all_and_silence_voids_roles() {
        use Effect::{Allow, Deny};
        for (statements, answer) in [
            (vec![], Answer::Silent),
            (vec![statement(Allow, ROOT, "kms:*")], Answer::Delegated),
            (
                vec![statement(Allow, "111111111111", "*")],
                Answer::Delegated,
            ),
            (
                vec![statement(Allow, ALICE, "KMS:de?rypt")],
                Answer::Allowed,
            ),
            (vec![statement(Allow, "*", "kms:Decrypt")], Answer::Allowed),
            (vec![statement(Allow, ALICE, "kms:Encrypt")], Answer::Silent),
            (
                vec![statement(Allow, "arn:aws:iam::111111111111:user/bob", "*")],
                Answer::Silent,
            ),
            (
                vec![statement(Allow, ALICE, "*"), statement(Allow, ROOT, "*")],
                Answer::Allowed,
            ),
            (
                vec![
                    statement(Allow, ALICE, "*"),
                    statement(Deny, ROOT, "kms:D*"),
                ],
                Answer::Denied,
            ),
            (
                vec![
                    statement(Deny, "*", "kms:Decrypt"),
                    statement(Allow, ALICE, "*"),
                ],
                Answer::Denied,
            ),
        ] {
            assert_eq!(
                ask(statements.clone(), "kms:Decrypt", &[]),
                answer,
                "{statements:?}"
            );
        }
        let mut others = statement(Deny, ROOT, "*");
        others.principals = Listed::NotIn(vec![ALICE.into()]);
        assert_eq!(
            ask(vec![others.clone()], "kms:Decrypt", &[]),
            Answer::Silent
        );
        others.principals = Listed::NotIn(vec!["222222222222".into()]);
        assert_eq!(ask(vec![others], "kms:Decrypt", &[]), Answer::Denied);
        let mut but = statement(Allow, ALICE, "*");
        but.actions = Listed::NotIn(vec!["kms:Put*".into()]);
        assert_eq!(ask(vec![but.clone()], "kms:Decrypt", &[]), Answer::Allowed);
        assert_eq!(
            ask(vec![but.clone()], "kms:PutKeyPolicy", &[]),
            Answer::Silent
        );
        but.resources = vec!["arn:aws:kms:*:111111111111:key/other".into()];
        assert_eq!(ask(vec![but], "kms:Decrypt", &[]), Answer::Silent);
    }

    fn condition(test: Test, key: &str, values: &[&str]) -> Condition {
        Condition {
            quantifier: Quantifier::One,
            test,
            negated: false,
            if_exists: false,
            key: key.into(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    fn holds(condition: Condition, facts: &[(&str, &[&str])]) -> bool {
        let mut about = statement(Effect::Allow, ALICE, "*");
        about.conditions = vec![condition];
        ask(vec![about], "kms:Decrypt", facts) == Answer::Allowed
    }

    #[test]
    fn conditions_hold_as_their_operators_say() {
        for (test, given, value, passes) in [
            (Test::StringEquals, "a", "a", true),
            (Test::StringEquals, "a", "A", false),
            (Test::StringEqualsIgnoreCase, "a", "A", true),
            (Test::StringLike, "a*c", "abbc", true),
            (Test::StringLike, "a?c", "abbc", false),
            (Test::StringLike, "*b*b*", "abab", true),
            (Test::Bool, "true", "true", true),
            (Test::Bool, "true", "false", false),
            (Test::NumericEquals, "7", "7.0", true),
            (Test::NumericLessThan, "7", "7", false),
            (Test::NumericLessThanEquals, "7", "7", true),
            (Test::NumericGreaterThan, "7", "8", true),
            (Test::NumericGreaterThanEquals, "7", "x", false),
            (Test::IpAddress, "192.0.2.0/24", "192.0.2.9", true),
            (Test::IpAddress, "192.0.2.0/24", "::ffff:192.0.2.9", true),
            (Test::IpAddress, "192.0.2.0/24", "192.0.3.9", false),
            (Test::IpAddress, "0.0.0.0/0", "192.0.3.9", true),
            (Test::IpAddress, "2001:db8::/32", "2001:db8:1::1", true),
            (Test::IpAddress, "2001:db8::/32", "192.0.2.1", false),
            (Test::ArnLike, "arn:aws:iam::*:user/a*", ALICE, true),
            (Test::ArnLike, "arn:*:user/a*", ALICE, false),
        ] {
            let asked = condition(test, "k", &[given]);
            assert_eq!(
                holds(asked.clone(), &[("k", &[value])]),
                passes,
                "{asked:?} {value}"
            );
            let negated = Condition {
                negated: true,
                ..asked
            };
            assert_eq!(holds(negated, &[("k", &[value])]), !passes);
        }
    }

    #[test]
    fn an_absent_key_and_several_values() {
        let asked = condition(Test::StringEquals, "K", &["a", "b"]);
        assert!(holds(asked.clone(), &[("k", &["b"])]));
        assert!(!holds(asked.clone(), &[]));
        let negated = Condition {
            negated: true,
            ..asked.clone()
        };
        assert!(holds(negated, &[]));
        let if_exists = Condition {
            if_exists: true,
            ..asked.clone()
        };
        assert!(holds(if_exists.clone(), &[]));
        assert!(!holds(if_exists, &[("k", &["c"])]));
        let of = |quantifier| Condition {
            quantifier,
            ..asked.clone()
        };
        let mixed: &[(&str, &[&str])] = &[("k", &["a", "c"])];
        assert!(holds(of(Quantifier::ForAnyValue), mixed));
        assert!(!holds(of(Quantifier::ForAllValues), mixed));
        assert!(!holds(of(Quantifier::ForAnyValue), &[]));
        assert!(holds(of(Quantifier::ForAllValues), &[]));
        assert!(holds(condition(Test::Null, "k", &["true"]), &[]));
        assert!(!holds(condition(Test::Null, "k", &["false"]), &[]));
        assert!(holds(condition(Test::Null, "k", &["false"]), mixed));
    }
}
