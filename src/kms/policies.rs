//! Policies of keys, from their text to what `model::policy` reads; and what they are asked.

use serde_json::{Map, Value};

use crate::json::Object;
use crate::limits::RESOURCE_POLICY_BYTES;
use crate::model::action::Action;
use crate::model::caller::Caller;
use crate::model::error::{Error, Result};
use crate::model::grant::GrantOperation;
use crate::model::identity::Project;
use crate::model::key::Key;
use crate::model::policy::{
    Asked, Condition, Effect, Facts, Listed, Order, Policy, Quantifier, Statement, Test,
    has_whole_variables, is_condition_key, parse_block, parse_date,
};
use crate::model::spec::{KeySpec, Origin};
use crate::model::time::Timestamp;

/// Reads a document. What cannot be carried out is refused, never passed over.
///
/// # Errors
/// [`Error::MalformedPolicy`], [`Error::PolicyTooLarge`].
pub fn parse(text: &str) -> Result<Policy> {
    if text.len() > RESOURCE_POLICY_BYTES {
        return Err(Error::PolicyTooLarge(RESOURCE_POLICY_BYTES));
    }
    let Object(members) = Object::parse(text.as_bytes()).map_err(Error::MalformedPolicy)?;
    only(&members, "the policy", &["Version", "Id", "Statement"])?;
    let has_variables = match members.get("Version").map(Value::as_str) {
        Some(Some("2012-10-17")) => true,
        None | Some(Some("2008-10-17")) => false,
        Some(_) => return malformed("Version must be 2012-10-17 or 2008-10-17"),
    };
    if members.get("Id").is_some_and(|id| !id.is_string()) {
        return malformed("Id must be a string");
    }
    let statements = match members.get("Statement") {
        Some(Value::Array(list)) if !list.is_empty() => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => return malformed("Statement must hold at least one statement"),
    };
    let mut sids = std::collections::BTreeSet::new();
    let statements: Vec<Statement> = statements
        .into_iter()
        .map(|one| {
            let Value::Object(members) = one else {
                return malformed("a statement must be an object");
            };
            if let Some(Value::String(sid)) = members.get("Sid")
                && !sids.insert(sid.clone())
            {
                return malformed("a Sid stands there twice");
            }
            statement(members)
        })
        .collect::<Result<_>>()?;
    let mut texts = statements.iter().flat_map(|statement| {
        let conditions = statement.conditions.iter();
        let values = conditions.filter(|condition| condition.test.is_of_text());
        let values = values.flat_map(|condition| &condition.values);
        statement.resources.iter().chain(values)
    });
    if has_variables && let Some(text) = texts.find(|text| !has_whole_variables(text)) {
        return malformed(format!("{text} holds a variable without a name or an end"));
    }
    Ok(Policy {
        statements,
        has_variables,
    })
}

fn malformed<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::MalformedPolicy(why.into()))
}

fn only(members: &Map<String, Value>, what: &str, known: &[&str]) -> Result<()> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => malformed(format!("{what} has no element {name}")),
    }
}

fn statement(members: &Map<String, Value>) -> Result<Statement> {
    const ELEMENTS: [&str; 8] = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "Condition",
    ];
    only(members, "a statement", &ELEMENTS)?;
    if members.get("Sid").is_some_and(|sid| !sid.is_string()) {
        return malformed("Sid must be a string");
    }
    let effect = match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return malformed("Effect must be Allow or Deny"),
    };
    let principals = match (members.get("Principal"), members.get("NotPrincipal")) {
        (Some(listed), None) => Listed::In(principals(listed)?),
        (None, Some(listed)) => Listed::NotIn(principals(listed)?),
        _ => return malformed("a statement needs a Principal or a NotPrincipal"),
    };
    let actions = match (members.get("Action"), members.get("NotAction")) {
        (Some(listed), None) => Listed::In(actions(listed)?),
        (None, Some(listed)) => Listed::NotIn(actions(listed)?),
        // Without one it has no effect.
        (None, None) => Listed::In(Vec::new()),
        (Some(_), Some(_)) => {
            return malformed("a statement has an Action or a NotAction, not both");
        }
    };
    let resources = match members.get("Resource") {
        Some(listed) => texts(listed, "Resource")?,
        // Without one it has no effect.
        None => Vec::new(),
    };
    let conditions = match members.get("Condition") {
        None => Vec::new(),
        Some(Value::Object(operators)) => conditions(operators)?,
        Some(_) => return malformed("Condition must be an object"),
    };
    Ok(Statement {
        effect,
        principals,
        actions,
        resources,
        conditions,
    })
}

/// One text, or a list of some.
fn texts(value: &Value, what: &str) -> Result<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        _ => malformed(format!("{what} must be a string or a list of strings")),
    };
    match value {
        Value::Array(list) if !list.is_empty() => list.iter().map(text).collect(),
        Value::Array(_) => malformed(format!("{what} is empty")),
        one => Ok(vec![text(one)?]),
    }
}

fn principals(value: &Value) -> Result<Vec<String>> {
    let listed = match value {
        Value::String(all) if all == "*" => return Ok(vec!["*".into()]),
        Value::Object(kinds) => {
            only(kinds, "Principal", &["AWS"])?;
            match kinds.get("AWS") {
                Some(listed) => texts(listed, "Principal")?,
                None => return malformed("Principal names nobody"),
            }
        }
        _ => return malformed("Principal must be \"*\" or an object with the member AWS"),
    };
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let is_principal = |text: &str| {
        text == "*"
            || is_account(text)
            || text
                .strip_prefix("arn:aws:iam::")
                .and_then(|rest| rest.split_once(':'))
                .is_some_and(|(account, name)| {
                    let user = name.strip_prefix("user/");
                    is_account(account)
                        && (name == "root" || user.is_some_and(|user| !user.is_empty()))
                })
    };
    match listed.iter().find(|text| !is_principal(text)) {
        None => Ok(listed),
        Some(text) => malformed(format!(
            "the principal {text} is none that there could be here"
        )),
    }
}

fn actions(value: &Value) -> Result<Vec<String>> {
    let listed = texts(value, "Action")?;
    let is_action = |text: &String| {
        text == "*"
            || text.split_once(':').is_some_and(|(service, name)| {
                service.eq_ignore_ascii_case("kms") && !name.is_empty()
            })
    };
    match listed.iter().find(|text| !is_action(text)) {
        None => Ok(listed),
        Some(text) => malformed(format!("{text} is no action of KMS")),
    }
}

fn conditions(operators: &Map<String, Value>) -> Result<Vec<Condition>> {
    let mut all = Vec::new();
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            return malformed(format!("{operator} must be an object"));
        };
        for (key, values) in keys {
            let values = texts(values, key)?;
            all.push(condition(operator, key, values)?);
        }
    }
    Ok(all)
}

fn condition(operator: &str, key: &str, values: Vec<String>) -> Result<Condition> {
    if !is_condition_key(key) {
        return malformed(format!("{key} is no condition key"));
    }
    let (quantifier, rest) = match operator.split_once(':') {
        Some(("ForAnyValue", rest)) => (Quantifier::ForAnyValue, rest),
        Some(("ForAllValues", rest)) => (Quantifier::ForAllValues, rest),
        _ => (Quantifier::One, operator),
    };
    let (name, if_exists) = match rest.strip_suffix("IfExists") {
        Some(name) if name != "Null" => (name, true),
        _ => (rest, false),
    };
    let (test, negated) = match name {
        "StringEquals" => (Test::StringEquals, false),
        "StringNotEquals" => (Test::StringEquals, true),
        "StringEqualsIgnoreCase" => (Test::StringEqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Test::StringEqualsIgnoreCase, true),
        "StringLike" => (Test::StringLike, false),
        "StringNotLike" => (Test::StringLike, true),
        "Bool" => (Test::Bool, false),
        "Null" => (Test::Null, false),
        "NumericEquals" => (Test::Number(Order::Same), false),
        "NumericNotEquals" => (Test::Number(Order::Same), true),
        "NumericLessThan" => (Test::Number(Order::Less), false),
        "NumericLessThanEquals" => (Test::Number(Order::NotGreater), false),
        "NumericGreaterThan" => (Test::Number(Order::Greater), false),
        "NumericGreaterThanEquals" => (Test::Number(Order::NotLess), false),
        "DateEquals" => (Test::Date(Order::Same), false),
        "DateNotEquals" => (Test::Date(Order::Same), true),
        "DateLessThan" => (Test::Date(Order::Less), false),
        "DateLessThanEquals" => (Test::Date(Order::NotGreater), false),
        "DateGreaterThan" => (Test::Date(Order::Greater), false),
        "DateGreaterThanEquals" => (Test::Date(Order::NotLess), false),
        "IpAddress" => (Test::IpAddress, false),
        "NotIpAddress" => (Test::IpAddress, true),
        "ArnEquals" | "ArnLike" => (Test::ArnLike, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::ArnLike, true),
        _ => {
            return malformed(format!("{operator} is no condition operator"));
        }
    };
    let is_fit = |value: &String| match test {
        Test::Bool | Test::Null => matches!(value.as_str(), "true" | "false"),
        Test::IpAddress => parse_block(value).is_some(),
        Test::Number(_) => value.parse::<f64>().is_ok_and(f64::is_finite),
        Test::Date(_) => parse_date(value).is_some(),
        _ => true,
    };
    match values.iter().find(|value| !is_fit(value)) {
        None => Ok(Condition {
            quantifier,
            test,
            negated,
            if_exists,
            key: key.to_owned(),
            values,
        }),
        Some(value) => malformed(format!("{value} is nothing that {operator} could ask for")),
    }
}

/// What policies call an action, or a part of it: what AWS's calls that do the same are called.
pub fn action_name(action: Action, part: Option<GrantOperation>) -> String {
    let name = match (part, action) {
        (Some(part), _) => granted_name(part),
        (None, Action::EncryptDataKey) => "Encrypt",
        (None, Action::DecryptDataKey | Action::DecryptDatakeyCapsule) => "Decrypt",
        (None, Action::CreateDatakeyCapsule) => "GenerateDataKey",
        (None, Action::RenameKey) => "UpdateKeyDescription",
        (None, Action::MoveAlias) => "UpdateAlias",
        (None, Action::DeleteAliases) => "DeleteAlias",
        (None, Action::CreateTag | Action::ChangeTags) => "TagResource",
        (None, Action::DeleteTag) => "UntagResource",
        (None, Action::ListTags) => "ListResourceTags",
        (None, Action::GetRotationStatus) => "GetKeyRotationStatus",
        (None, Action::UpdateRotationInterval) => "EnableKeyRotation",
        (None, Action::GetImportParameters) => "GetParametersForImport",
        (None, Action::DeleteKeyMaterial) => "DeleteImportedKeyMaterial",
        (None, Action::GetResourcePolicy) => "GetKeyPolicy",
        (None, Action::PutResourcePolicy) => "PutKeyPolicy",
        (None, Action::ListResourcePolicies) => "ListKeyPolicies",
        (None, other) => other.name(),
    };
    format!("kms:{name}")
}

/// The ARN of a caller: by the name of a user of ours, by the id of an outside authority's, which
/// chooses names as it likes. `None` for who belongs to another domain than their project.
pub fn caller_arn(caller: &Caller) -> Option<String> {
    let project = caller.project().filter(|own| own.domain == caller.domain)?;
    let name = match caller.authority() {
        "" => caller.user_name.as_str(),
        _ => caller.user.as_str(),
    };
    Some(format!("arn:aws:iam::{}:user/{name}", project.account))
}

/// What conditions may ask about a call, but for what costs a look into the database. Nothing is
/// told of services that call for somebody, for there are none here (`kms:ViaService`,
/// `kms:GrantIsForAWSResource`).
pub fn facts_of_call(caller: &Caller, asked: &Asked, now: Timestamp) -> Facts {
    let mut facts = Facts::new();
    let mut tell = |key: &str, value: String| {
        facts.entry(key.to_owned()).or_default().push(value);
    };
    if let Some(project) = caller.project() {
        tell("kms:calleraccount", project.account.to_string());
        tell("aws:principalaccount", project.account.to_string());
    }
    if let Some(arn) = caller_arn(caller) {
        tell("aws:principalarn", arn);
        tell("aws:username", caller.user_name.to_string());
    }
    tell("aws:userid", caller.user.to_string());
    tell("aws:principaltype", "User".into());
    tell("aws:principalisawsservice", false.to_string());
    tell("aws:viaawsservice", false.to_string());
    tell("aws:currenttime", now.iso_seconds());
    tell("aws:epochtime", now.seconds().to_string());
    if let Some(address) = caller.address {
        tell("aws:sourceip", address.to_canonical().to_string());
        tell("aws:securetransport", caller.over_tls.to_string());
    }
    for (name, value) in &asked.pairs {
        tell("kms:encryptioncontextkeys", name.clone());
        let key = format!("kms:encryptioncontext:{}", name.to_ascii_lowercase());
        tell(&key, value.clone());
    }
    for tag in &asked.tags {
        let key = format!("aws:requesttag/{}", tag.key.to_ascii_lowercase());
        tell(&key, tag.value.clone());
    }
    for (fact, value) in asked.told() {
        tell(fact.key(), value.to_owned());
    }
    if let Some(alias) = &asked.alias {
        tell("kms:requestalias", format!("alias/{alias}"));
    }
    facts
}

/// What conditions may ask about a key, but for what costs a look into the database.
pub fn tell_of_key(facts: &mut Facts, key: &Key, owner: &Project) {
    let mut tell = |name: &str, value: &str| {
        facts.insert(name.to_owned(), vec![value.to_owned()]);
    };
    let spec = spec_name(key.spec);
    tell("kms:keyspec", spec);
    tell("kms:customermasterkeyspec", spec);
    tell("kms:keyusage", key.usage.name());
    tell("kms:customermasterkeyusage", key.usage.name());
    tell("kms:keyorigin", origin_name(key));
    let spread = key.primary_region.is_some();
    tell("kms:multiregion", &spread.to_string());
    if spread {
        let kind = if key.is_replica() {
            "REPLICA"
        } else {
            "PRIMARY"
        };
        tell("kms:multiregionkeytype", kind);
    }
    tell("aws:requestedregion", key.region.as_str());
    tell("aws:resourceaccount", owner.account.as_str());
}

/// What policies call a spec: what AWS calls it.
pub const fn spec_name(spec: KeySpec) -> &'static str {
    match spec {
        KeySpec::Aes256 => "SYMMETRIC_DEFAULT",
        KeySpec::EcP256 => "ECC_NIST_P256",
        KeySpec::EcP384 => "ECC_NIST_P384",
        KeySpec::EcP521 => "ECC_NIST_P521",
        KeySpec::Secp256k1 => "ECC_SECG_P256K1",
        KeySpec::Ed25519 => "ECC_NIST_EDWARDS25519",
        // The rest are called alike; SM4 and HMAC_SM3 are Huawei's alone.
        other => other.name(),
    }
}

/// What policies call where a key's material comes from.
pub fn origin_name(key: &Key) -> &'static str {
    match key.origin {
        Origin::Kms if !key.keystore.is_built_in() => "AWS_CLOUDHSM",
        Origin::Kms => "AWS_KMS",
        Origin::External => "EXTERNAL",
    }
}

/// What policies call an algorithm: what AWS calls it.
pub fn algorithm_name(name: &str) -> &str {
    match name {
        "SM2_ENCRYPT" => "SM2PKE",
        "SM2DSA_SM3" => "SM2DSA",
        other => other,
    }
}

/// What policies call an operation that is granted: AWS knows no data keys that are wrapped alone.
pub const fn granted_name(operation: GrantOperation) -> &'static str {
    match operation {
        GrantOperation::EncryptDataKey => "Encrypt",
        GrantOperation::DecryptDataKey => "Decrypt",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_carried_out_is_refused() {
        let with = |element: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":"kms:*","Resource":"*"{element}}}]}}"#
            )
        };
        assert!(parse(&with("")).is_ok());
        for good in [
            r#","Sid":"with spaces""#,
            r#","Condition":{"StringEquals":{"kms:EncryptionContext:a":["b","c"]}}"#,
            r#","Condition":{"ForAllValues:StringLikeIfExists":{"kms:EncryptionContextKeys":"a*"}}"#,
            r#","Condition":{"Bool":{"kms:GrantIsForAWSResource":true}}"#,
            r#","Condition":{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#,
            r#","Condition":{"Null":{"kms:ViaService":"true"}}"#,
            r#","Condition":{"StringEquals":{"kms:Unknown":"b"}}"#,
            r#","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-01-02T03:04:05Z"}}"#,
            r#","Condition":{"StringLike":{"aws:SourceVpc":"${aws:username}*"}}"#,
        ] {
            assert!(parse(&with(good)).is_ok(), "{good}");
        }
        for bad in [
            r#","NotResource":"*""#,
            r#","Effect":"Deny""#,
            r#","NotAction":"kms:Decrypt""#,
            r#","NotPrincipal":{"AWS":"*"}"#,
            r#","Condition":{"StringEquals":{"unknown":"b"}}"#,
            r#","Condition":{"StringEquals":{"aws:RequestTag/":"b"}}"#,
            r#","Condition":{"StringSame":{"kms:KeySpec":"b"}}"#,
            r#","Condition":{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}"#,
            r#","Condition":{"StringEquals":{"kms:KeySpec":"${aws:username"}}"#,
            r#","Condition":{"StringEquals":{"kms:KeySpec":"${}"}}"#,
            r#","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}"#,
            r#","Condition":{"Bool":{"kms:MultiRegion":"yes"}}"#,
            r#","Condition":{"StringEquals":{"kms:EncryptionContext:":"b"}}"#,
            r#","Condition":[]"#,
        ] {
            let refused = parse(&with(bad));
            assert!(matches!(refused, Err(Error::MalformedPolicy(_))), "{bad}");
        }
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"Statement":[]}"#,
            r#"{"Version":"2020-01-01","Statement":[]}"#,
            r#"{"Statement":[{"Effect":"allow","Principal":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"bob"}}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*"}]}"#,
        ] {
            assert!(
                matches!(parse(bad), Err(Error::MalformedPolicy(_))),
                "{bad}"
            );
        }
        let long = with(&format!(
            r#","Sid":"{}""#,
            "x".repeat(RESOURCE_POLICY_BYTES)
        ));
        assert_eq!(
            parse(&long),
            Err(Error::PolicyTooLarge(RESOURCE_POLICY_BYTES))
        );
    }
}
