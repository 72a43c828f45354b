//! Policies of keys: documents that say who may do what with one key, and the one function that
//! reads them (AWS's contract, section 7).
//!
//! A document that says nothing of somebody lets nobody in. A statement for a whole account lets
//! that account's roles decide; one for a user lets that user in without a role. What is denied is
//! denied, whatever else allows it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::grant::{NewGrantee, Pairs};
use super::ids::{AliasName, UserId};
use super::key::KeyRef;
use super::tag::Tag;
use super::time::Timestamp;

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
    /// Whether `${…}` in them stands for what is so of the call: since the version 2012-10-17.
    pub has_variables: bool,
}

/// How two numbers or dates must stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// They are the same.
    Same,
    /// The first is smaller, or earlier.
    Less,
    /// The first is not greater, nor later.
    NotGreater,
    /// The first is greater, or later.
    Greater,
    /// The first is not smaller, nor earlier.
    NotLess,
}

impl Order {
    fn holds<T: PartialOrd>(self, one: &T, other: &T) -> bool {
        match self {
            Order::Same => one == other,
            Order::Less => one < other,
            Order::NotGreater => one <= other,
            Order::Greater => one > other,
            Order::NotLess => one >= other,
        }
    }
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
    /// A number.
    Number(Order),
    /// A date.
    Date(Order),
    /// An address in a block.
    IpAddress,
    /// An ARN that fits a pattern, part by part.
    ArnLike,
}

impl Test {
    /// Whether what it is held against is text, in which variables can stand.
    pub const fn is_of_text(self) -> bool {
        matches!(
            self,
            Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike | Test::ArnLike
        )
    }
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

macro_rules! facts {
    ($($(#[$doc:meta])+ $name:ident => $key:literal;)*) => {
        /// What a call says of itself that policies can ask about (AWS's contract, section 7).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fact {
            $($(#[$doc])+ $name,)*
        }

        impl Fact {
            /// The condition key, in lower case.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)*
                }
            }
        }
    };
}

facts! {
    /// With which algorithm it encrypts or decrypts.
    EncryptionAlgorithm => "kms:encryptionalgorithm";
    /// With which it signs or verifies.
    SigningAlgorithm => "kms:signingalgorithm";
    /// Whether it signs a message or a digest.
    MessageType => "kms:messagetype";
    /// With which algorithm it makes or checks codes.
    MacAlgorithm => "kms:macalgorithm";
    /// With which it agrees on a secret.
    KeyAgreementAlgorithm => "kms:keyagreementalgorithm";
    /// What key pair it makes.
    DataKeyPairSpec => "kms:datakeypairspec";
    /// After how many days it has the key destroyed.
    PendingWindowInDays => "kms:schedulekeydeletionpendingwindowindays";
    /// Every how many days it has the key renewed.
    RotationPeriodInDays => "kms:rotationperiodindays";
    /// What it grants; each operation once.
    GrantOperations => "kms:grantoperations";
    /// What binds the grant.
    GrantConstraintType => "kms:grantconstrainttype";
    /// How it wants imported material wrapped.
    WrappingAlgorithm => "kms:wrappingalgorithm";
    /// Under what key pair.
    WrappingKeySpec => "kms:wrappingkeyspec";
    /// Whether the material that it imports has an end.
    ExpirationModel => "kms:expirationmodel";
    /// When that is, in seconds since 1970.
    ValidTo => "kms:validto";
    /// Where it makes a replica.
    ReplicaRegion => "kms:replicaregion";
    /// Where it makes the primary be.
    PrimaryRegion => "kms:primaryregion";
    /// Which policy it is about.
    PolicyName => "kms:policyname";
    /// Whether its policy may lock its caller out.
    BypassLockoutCheck => "kms:bypasspolicylockoutsafetycheck";
    /// Of which tags it speaks; each once.
    TagKeys => "aws:tagkeys";
}

/// What a call says of itself, as far as policies can ask about it. Verbs say it before they ask for
/// the key; a key without a policy costs nothing more.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// What policies call the call, where its action goes by several names.
    pub operation: Option<&'static str>,
    /// The encryption context.
    pub pairs: Pairs,
    /// The tags that it gives.
    pub tags: Vec<Tag>,
    /// To whom it opens the key.
    pub grantee: Option<NewGrantee>,
    /// Who else may retire that grant.
    pub retirer: Option<UserId>,
    /// From which key to which it encrypts anew.
    pub re_encrypts: Option<(KeyRef, KeyRef)>,
    /// The alias by which it names the key.
    pub alias: Option<AliasName>,
    facts: Vec<(Fact, Cow<'static, str>)>,
}

impl Asked {
    /// Says one thing of the call, in place of what was said of it before.
    pub fn tell(&mut self, fact: Fact, value: impl Into<Cow<'static, str>>) {
        self.tell_all(fact, [value.into()]);
    }

    /// Says one thing that may be several, or none.
    pub fn tell_all(&mut self, fact: Fact, values: impl IntoIterator<Item = Cow<'static, str>>) {
        self.facts.retain(|(known, _)| *known != fact);
        self.facts
            .extend(values.into_iter().map(|value| (fact, value)));
    }

    /// Everything that was said so.
    pub fn told(&self) -> impl Iterator<Item = (Fact, &str)> {
        self.facts.iter().map(|(fact, value)| (*fact, &**value))
    }
}

/// What is so of a call, by condition keys in lower case; without those that are absent.
pub type Facts = BTreeMap<String, Vec<String>>;

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
    /// What conditions can ask about.
    pub facts: &'a Facts,
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
        let variables = self.has_variables.then_some(question.facts);
        for statement in &self.statements {
            if !statement.is_about(question, variables) {
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

    /// Whether a condition or a variable asks about a key that begins so, in lower case: what
    /// nobody asks about need not be found out.
    pub fn asks_about(&self, start: &str) -> bool {
        let variable = format!("${{{start}");
        let has_variable = |text: &String| {
            self.has_variables && text.contains("${") && text.to_lowercase().contains(&variable)
        };
        self.statements.iter().any(|statement| {
            statement.resources.iter().any(has_variable)
                || statement.conditions.iter().any(|condition| {
                    condition.key.to_ascii_lowercase().starts_with(start)
                        || condition.values.iter().any(has_variable)
                })
        })
    }
}

/// Whom a statement means.
enum Meets {
    Nobody,
    Caller,
    Account,
}

impl Statement {
    fn is_about(&self, question: &Question<'_>, variables: Option<&Facts>) -> bool {
        let action = question.action.to_ascii_lowercase();
        let is_action = |pattern: &String| is_like(&plain(&pattern.to_ascii_lowercase()), &action);
        let acts = match &self.actions {
            Listed::In(actions) => actions.iter().any(is_action),
            Listed::NotIn(actions) => !actions.iter().any(is_action),
        };
        acts && self.resources.iter().any(|resource| {
            pattern(resource, true, variables).is_some_and(|it| is_like(&it, question.key))
        }) && self
            .conditions
            .iter()
            .all(|condition| condition.holds(question.facts, variables))
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
    fn holds(&self, facts: &Facts, variables: Option<&Facts>) -> bool {
        let found = facts.get(&self.key.to_ascii_lowercase());
        if self.test == Test::Null {
            let absent = found.is_none().to_string();
            return self.values.contains(&absent);
        }
        let passes = |value: &String| {
            let fits = self
                .values
                .iter()
                .any(|given| self.test.passes(given, value, variables));
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
    fn passes(self, given: &str, value: &str, variables: Option<&Facts>) -> bool {
        // A variable that stands for nothing is like no text.
        let like = |wild, given: &str, value: &str| {
            pattern(given, wild, variables).is_some_and(|it| is_like(&it, value))
        };
        match self {
            Test::StringEquals => like(false, given, value),
            Test::StringEqualsIgnoreCase => pattern(given, false, variables).is_some_and(|it| {
                let given: String = it.iter().filter_map(Glob::letter).collect();
                given.to_lowercase() == value.to_lowercase()
            }),
            Test::StringLike => like(true, given, value),
            Test::Bool => given.eq_ignore_ascii_case(value),
            // Looked at before: it is about whether there is a value.
            Test::Null => false,
            Test::Number(order) => match (value.parse::<f64>(), given.parse()) {
                (Ok(value), Ok(given)) => order.holds(&value, &given),
                _ => false,
            },
            Test::Date(order) => match (parse_date(value), parse_date(given)) {
                (Some(value), Some(given)) => order.holds(&value, &given),
                _ => false,
            },
            Test::IpAddress => is_in_block(given, value),
            Test::ArnLike => pattern(given, true, variables).is_some_and(|it| {
                let patterns: Vec<_> = it.splitn(6, |glob| *glob == Glob::Is(':')).collect();
                let parts: Vec<_> = value.splitn(6, ':').collect();
                patterns.len() == parts.len()
                    && patterns
                        .iter()
                        .zip(parts)
                        .all(|(pattern, part)| is_like(pattern, part))
            }),
        }
    }
}

/// One place of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Glob {
    /// Any letters, or none.
    Many,
    /// Any one letter.
    One,
    /// This letter.
    Is(char),
}

impl Glob {
    const fn letter(&self) -> Option<char> {
        match self {
            Glob::Is(letter) => Some(*letter),
            Glob::Many | Glob::One => None,
        }
    }
}

/// A pattern without variables.
fn plain(text: &str) -> Vec<Glob> {
    pattern(text, true, None).unwrap_or_default()
}

/// Reads a pattern. `*` stands for any letters and `?` for one, where it may be `wild`; what a
/// variable stands for is never wild. `None` when one stands for nothing.
fn pattern(text: &str, wild: bool, variables: Option<&Facts>) -> Option<Vec<Glob>> {
    let mut globs = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(facts) = variables
            && let Some(variable) = rest.strip_prefix("${")
        {
            let (name, after) = variable.split_once('}')?;
            globs.extend(value_of(name, facts)?.chars().map(Glob::Is));
            rest = after;
            continue;
        }
        globs.push(match letter {
            '*' if wild => Glob::Many,
            '?' if wild => Glob::One,
            letter => Glob::Is(letter),
        });
        rest = &rest[letter.len_utf8()..];
    }
    Some(globs)
}

/// What a variable stands for: the one value of a condition key, or what is given in its place
/// (`${aws:username, 'nobody'}`); or a letter that would else be read otherwise (`${*}`).
fn value_of<'a>(variable: &'a str, facts: &'a Facts) -> Option<&'a str> {
    if matches!(variable, "*" | "?" | "$") {
        return Some(variable);
    }
    let (name, instead) = match variable.split_once(',') {
        Some((name, instead)) => (name, Some(instead)),
        None => (variable, None),
    };
    match facts
        .get(&name.trim().to_ascii_lowercase())
        .map(Vec::as_slice)
    {
        Some([value]) => Some(value),
        _ => instead?
            .trim()
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\'')),
    }
}

/// Whether every variable in a text is closed and named.
pub fn has_whole_variables(text: &str) -> bool {
    text.split("${").skip(1).all(|variable| {
        variable
            .split_once('}')
            .is_some_and(|(name, _)| !name.trim().is_empty())
    })
}

/// Whether a text fits a pattern.
fn is_like(pattern: &[Glob], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and how far it reaches: what does not fit makes it reach further.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(Glob::Many) => {
                star = Some((p, t));
                p += 1;
            }
            Some(glob) if glob.letter().is_none_or(|letter| letter == text[t]) => {
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
    pattern[p..].iter().all(|glob| *glob == Glob::Many)
}

/// Reads a date: `2026-01-02T03:04:05Z`, `2026-01-02`, or seconds since 1970.
pub fn parse_date(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<f64>() {
        // Far within what both can hold: the year 10000.
        let is_near = seconds.abs() < 253_402_300_800.0;
        #[expect(clippy::cast_possible_truncation, reason = "bounded just now")]
        return is_near.then(|| Timestamp::from_millis((seconds * 1000.0).round() as i64));
    }
    Timestamp::parse_iso(text).or_else(|| Timestamp::parse_iso(&format!("{text}T00:00:00Z")))
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

/// Whether a text has the form of a condition key: a service and a name (`kms:ViaService`,
/// `aws:ResourceTag/team`). One that nothing is told of is absent, as AWS has it.
pub fn is_condition_key(key: &str) -> bool {
    key.split_once(':').is_some_and(|(service, name)| {
        !service.is_empty()
            && service
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !name.is_empty()
            && !name.ends_with([':', '/'])
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
        Policy {
            statements,
            has_variables: true,
        }
        .answer(&Question {
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
            (Test::Number(Order::Same), "7", "7.0", true),
            (Test::Number(Order::Less), "7", "7", false),
            (Test::Number(Order::NotGreater), "7", "7", true),
            (Test::Number(Order::Greater), "7", "8", true),
            (Test::Number(Order::NotLess), "7", "x", false),
            (Test::IpAddress, "192.0.2.0/24", "192.0.2.9", true),
            (Test::IpAddress, "192.0.2.0/24", "::ffff:192.0.2.9", true),
            (Test::IpAddress, "192.0.2.0/24", "192.0.3.9", false),
            (Test::IpAddress, "0.0.0.0/0", "192.0.3.9", true),
            (Test::IpAddress, "2001:db8::/32", "2001:db8:1::1", true),
            (Test::IpAddress, "2001:db8::/32", "192.0.2.1", false),
            (Test::Date(Order::Less), "2026-01-02", "1767323045", false),
            (Test::Date(Order::Less), "1767323046", "1767323045.9", true),
            (
                Test::Date(Order::Same),
                "2026-01-02T03:04:05Z",
                "1767323045",
                true,
            ),
            (
                Test::Date(Order::NotLess),
                "2026-01-02T03:04:05Z",
                "no date",
                false,
            ),
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

    #[test]
    fn variables_stand_for_what_is_so_of_the_call() {
        let facts: &[(&str, &[&str])] = &[
            ("k", &["a*c"]),
            ("aws:username", &["a*c"]),
            ("kms:several", &["a*c", "b"]),
        ];
        for (test, given, passes) in [
            (Test::StringEquals, "${aws:username}", true),
            (Test::StringEquals, "${aws:UserName}", true),
            (Test::StringEquals, "A${aws:username}", false),
            (Test::StringEqualsIgnoreCase, "${ aws:username }", true),
            (Test::StringLike, "?${*}c", true),
            (Test::StringLike, "x${*}c", false),
            (Test::StringEquals, "a*c", true),
            (Test::StringEquals, "a?c", false),
            // One that stands for nothing, or for several, is like no text.
            (Test::StringLike, "*${aws:PrincipalTag/team}*", false),
            (Test::StringEquals, "${kms:several}", false),
            (Test::StringEquals, "${aws:none, 'a*c'}", true),
            (Test::StringEquals, "${aws:username,'b'}", true),
        ] {
            let asked = condition(test, "k", &[given]);
            assert_eq!(holds(asked, facts), passes, "{test:?} {given}");
        }
        // What a variable stands for is no pattern.
        let asked = condition(Test::StringLike, "other", &["${aws:username}"]);
        let facts: &[(&str, &[&str])] = &[("other", &["abc"]), ("aws:username", &["a*c"])];
        assert!(!holds(asked, facts));
        let mut about = statement(Effect::Allow, ALICE, "*");
        about.resources = vec!["arn:aws:kms:*:*:key/${aws:username}".into()];
        assert_eq!(
            ask(
                vec![about.clone()],
                "kms:Decrypt",
                &[("aws:username", &["k"])]
            ),
            Answer::Allowed
        );
        assert_eq!(ask(vec![about], "kms:Decrypt", &[]), Answer::Silent);
        let named = |text: &str| has_whole_variables(text);
        assert!(named("a") && named("${a}${b}") && !named("${") && !named("${}") && !named("a${b"));
    }
}
