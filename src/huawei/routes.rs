//! The table: every path and method of Huawei's dialect, and what it asks for.

use std::sync::Arc;

use super::error::{Service, render};
use super::{
    access_points, aliases, auth, capsules, ciphers, grants, identity, key_policies, keys,
    keystores, materials, records, replicas, rotation, signatures, tags, versions,
};
use crate::dialect::{Call, Handler, Reply, Request, handler, serve};
use crate::kms::Kms;
use crate::model::action::Action;
use crate::model::error::{Error, Result};
use crate::model::ids::Region;

/// One row of the table.
pub struct Route {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path; `{name}` stands for one segment.
    pub path: &'static str,
    /// Which service it belongs to.
    pub service: Service,
    /// What it does.
    pub kind: Kind,
}

/// What a row does.
pub enum Kind {
    /// Needs a credential, and for keys one for the project in the path.
    Guarded(Action, Handler),
    /// Makes a token of what is in its body.
    LogIn,
    /// Needs no credential (threat model I-1 lists these rows).
    Public(fn(&Kms, &Request) -> Result<Reply>),
    /// The same, and has to wait for something.
    PublicAsync(Public),
}

/// Rows without a credential that must ask the database.
#[derive(Clone, Copy)]
pub enum Public {
    /// The keys that sign tokens.
    TokenKeys,
    /// Whether calls can be served.
    Ready,
}

/// Every row.
pub fn table() -> Vec<Route> {
    use Action::*;
    macro_rules! key_calls {
        ($($method:literal $name:literal $action:ident $function:path;)*) => {
            project_calls! { $($method "/kms/" $name $action $function;)* }
        };
    }
    macro_rules! project_calls {
        ($($method:literal $folder:literal $name:literal $action:ident $function:path;)*) => {
            vec![$(Route {
                method: $method,
                path: concat!("/v1.0/{project_id}", $folder, $name),
                service: Service::Kms,
                kind: Kind::Guarded($action, handler($function)),
            }),*]
        };
    }
    let mut rows = key_calls! {
        "POST" "create-key"             CreateKey            keys::create;
        "POST" "describe-key"           DescribeKey          keys::describe;
        "POST" "list-keys"              ListKeys             keys::list;
        "POST" "enable-key"             EnableKey            keys::enable;
        "POST" "disable-key"            DisableKey           keys::disable;
        "POST" "schedule-key-deletion"  ScheduleKeyDeletion  keys::schedule_deletion;
        "POST" "cancel-key-deletion"    CancelKeyDeletion    keys::cancel_deletion;
        "POST" "update-key-alias"       RenameKey            keys::rename;
        "POST" "update-key-description" UpdateKeyDescription keys::update_description;
        "POST" "encrypt-data" Encrypt ciphers::encrypt;
        "POST" "decrypt-data" Decrypt ciphers::decrypt;
        "POST" "create-datakey" GenerateDataKey ciphers::create_data_key;
        "POST" "create-datakey-without-plaintext" GenerateDataKeyWithoutPlaintext
            ciphers::create_data_key_without_plaintext;
        "POST" "encrypt-datakey" EncryptDataKey ciphers::encrypt_data_key;
        "POST" "decrypt-datakey" DecryptDataKey ciphers::decrypt_data_key;
        "POST" "re-encrypt" ReEncrypt ciphers::re_encrypt;
        "POST" "create-rsa-datakey-pair" GenerateDataKeyPair ciphers::create_rsa_pair;
        "POST" "create-ec-datakey-pair" GenerateDataKeyPair ciphers::create_ec_pair;
        "POST" "derive-shared-secret" DeriveSharedSecret ciphers::derive_secret;
        "POST" "gen-random" GenerateRandom ciphers::random;
        "POST" "sign" Sign signatures::sign;
        "POST" "verify" Verify signatures::verify;
        "POST" "get-publickey" GetPublicKey signatures::public_key;
        "POST" "generate-mac" GenerateMac signatures::generate_mac;
        "POST" "verify-mac" VerifyMac signatures::verify_mac;
        "POST" "create-grant" CreateGrant grants::create;
        "POST" "list-grants" ListGrants grants::list;
        "POST" "list-retirable-grants" ListRetirableGrants grants::list_retirable;
        "POST" "revoke-grant" RevokeGrant grants::revoke;
        "POST" "retire-grant" RetireGrant grants::retire;
        // Tags and aliases. `resource_instances` is a word of the path, though the vendor's SDK
        // has a place for it.
        "POST"   "{key_id}/tags"             CreateTag       tags::create;
        "POST"   "{key_id}/tags/action"      ChangeTags      tags::change;
        "DELETE" "{key_id}/tags/{key}"       DeleteTag       tags::delete;
        "GET"    "{key_id}/tags"             ListTags        tags::list;
        "GET"    "tags"                      ListProjectTags tags::list_of_project;
        "POST"   "resource_instances/action" ListKeysByTags  tags::find;
        "POST"   "aliases"                   CreateAlias     aliases::create;
        "GET"    "aliases"                   ListAliases     aliases::list;
        "POST"   "alias/associate"           MoveAlias       aliases::associate;
        "DELETE" "aliases"                   DeleteAliases   aliases::delete;
        "POST" "get-parameters-for-import"    GetImportParameters    materials::parameters;
        "POST" "import-key-material"          ImportKeyMaterial      materials::import;
        "POST" "delete-imported-key-material" DeleteKeyMaterial      materials::delete;
        "POST" "rotate-on-demand"             RotateKeyOnDemand      rotation::on_demand;
        "POST" "enable-key-rotation"          EnableKeyRotation      rotation::enable;
        "POST" "update-key-rotation-interval" UpdateRotationInterval rotation::set_interval;
        "POST" "disable-key-rotation"         DisableKeyRotation     rotation::disable;
        "POST" "get-key-rotation-status"      GetRotationStatus      rotation::status;
        // The trusted key space.
        "POST" "datakey-capsule/create" CreateDatakeyCapsule capsules::create;
        "POST" "datakey-capsule/decrypt" DecryptDatakeyCapsule capsules::decrypt;
        "POST" "access-points" CreateAccessPoint access_points::create;
        "GET"  "access-points" ListAccessPoints access_points::list;
        "DELETE" "access-points/{access_point_id}" DeleteAccessPoint access_points::delete;
        "POST" "access-points/{access_point_id}/enable" EnableAccessPoint access_points::enable;
        "POST" "access-points/{access_point_id}/disable" DisableAccessPoint
            access_points::disable;
        "POST" "access-points/{access_point_id}/get-privatekey" GetAccessPointPrivateKey
            access_points::private_key;
        "POST" "key-policies" CreateKeyPolicy key_policies::create;
        "GET"  "key-policies" ListKeyPolicies key_policies::list;
        "GET"  "key-policies/{policy_id}" ShowKeyPolicy key_policies::show;
        "PUT"  "key-policies/{policy_id}" UpdateKeyPolicy key_policies::update;
        "DELETE" "key-policies/{policy_id}" DeleteKeyPolicy key_policies::delete;
        "GET"  "user-instances"         CountKeys            keys::count;
        "GET"  "user-quotas"            ShowQuotas           keys::quotas;
        // Keystores and PINs.
        "POST" "create-pin" CreatePin keystores::create_pin;
    };
    rows.extend(project_calls! {
        "POST"   "/keystores" "" CreateKeystore keystores::create;
        "GET"    "/keystores" "" ListKeystores keystores::list;
        "GET"    "/keystores" "/{keystore_id}" ShowKeystore keystores::show;
        "DELETE" "/keystores" "/{keystore_id}" DeleteKeystore keystores::delete;
        "POST"   "/keystores" "/{keystore_id}/enable" EnableKeystore keystores::enable;
        "POST"   "/keystores" "/{keystore_id}/disable" DisableKeystore keystores::disable;
    });
    let iam = |method, path, kind| Route {
        method,
        path,
        service: Service::Iam,
        kind,
    };
    let kms = |method, path, kind| Route {
        method,
        path,
        service: Service::Kms,
        kind,
    };
    rows.extend([
        kms(
            "GET",
            "/v2/{project_id}/kms/regions",
            Kind::Guarded(ListRegions, handler(replicas::regions)),
        ),
        kms(
            "POST",
            "/v2/{project_id}/kms/keys/{key_id}/replicate",
            Kind::Guarded(ReplicateKey, handler(replicas::replicate)),
        ),
        kms(
            "PUT",
            "/v2/{project_id}/kms/keys/{key_id}/update-primary-region",
            Kind::Guarded(UpdatePrimaryRegion, handler(replicas::update_primary)),
        ),
    ]);
    // Huawei has no call for it: a root of our own collides with none that it may add.
    rows.push(kms(
        "GET",
        "/kmsd/v1/{project_id}/keys/{key_id}/audit",
        Kind::Guarded(ListKeyRecords, handler(records::list)),
    ));
    let tokens = "/v3/auth/tokens";
    rows.extend([
        iam("POST", tokens, Kind::LogIn),
        iam(
            "GET",
            tokens,
            Kind::Guarded(ValidateToken, handler(identity::show)),
        ),
        iam(
            "HEAD",
            tokens,
            Kind::Guarded(ValidateToken, handler(identity::show)),
        ),
        iam(
            "DELETE",
            tokens,
            Kind::Guarded(RevokeToken, handler(identity::revoke)),
        ),
        iam(
            "GET",
            "/v3/projects",
            Kind::Guarded(ListProjects, handler(identity::projects)),
        ),
        iam(
            "GET",
            "/v3/auth/projects",
            Kind::Guarded(ListProjects, handler(identity::projects)),
        ),
        iam(
            "GET",
            "/v3/auth/domains",
            Kind::Guarded(ListDomains, handler(identity::domains)),
        ),
        iam(
            "GET",
            "/v3/auth/catalog",
            Kind::Guarded(ShowCatalog, handler(identity::catalog)),
        ),
        iam(
            "GET",
            "/v3/auth/jwks.json",
            Kind::PublicAsync(Public::TokenKeys),
        ),
        iam("GET", "/v3", Kind::Public(versions::identity)),
        kms("GET", "/v1.0", Kind::Public(versions::kms)),
        kms("GET", "/", Kind::Public(versions::all)),
        kms("GET", "/health/live", Kind::Public(versions::live)),
        kms("GET", "/health/ready", Kind::PublicAsync(Public::Ready)),
    ]);
    rows
}

/// The table, ready to look paths up in.
pub struct Routes {
    paths: matchit::Router<Vec<Route>>,
}

impl Default for Routes {
    fn default() -> Self {
        let mut by_path: Vec<(&'static str, Vec<Route>)> = Vec::new();
        for row in table() {
            match by_path.iter_mut().find(|(path, _)| *path == row.path) {
                Some((_, rows)) => rows.push(row),
                None => by_path.push((row.path, vec![row])),
            }
        }
        let mut paths = matchit::Router::new();
        for (path, rows) in by_path {
            paths
                .insert(path, rows)
                .expect("the paths of the table do not collide");
        }
        Self { paths }
    }
}

impl Routes {
    /// Answers a request; every refusal has the form of the service whose path it is.
    pub async fn answer(&self, kms: &Arc<Kms>, request: &mut Request) -> Reply {
        let service = service_of(&request.path);
        let found = self.find(request);
        let action = match &found {
            Ok(Route {
                kind: Kind::Guarded(action, _),
                ..
            }) => Some(*action),
            Ok(Route {
                kind: Kind::LogIn, ..
            }) => Some(Action::IssueToken),
            _ => None,
        };
        let answered = match found {
            Ok(route) => carry_out(kms, route, request).await,
            Err(error) => {
                kms.metrics().refused(error.name());
                Err(error)
            }
        };
        answered.unwrap_or_else(|error| {
            log_fault(&error, request);
            render(&error, action, service)
        })
    }

    fn find(&self, request: &mut Request) -> Result<&Route> {
        // The vendor's links end in a slash; one such path is the same as without.
        let path = match request.path.as_str() {
            "/v3/" => "/v3",
            "/v1.0/" => "/v1.0",
            other => other,
        };
        let found = self.paths.at(path).map_err(|_| Error::UnknownPath)?;
        request.params = found
            .params
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let rows = found.value;
        let method = request.method.as_str();
        rows.iter()
            .find(|row| row.method == method)
            .or_else(|| {
                // What can be got can be asked for without its body.
                (method == "HEAD").then(|| rows.iter().find(|row| row.method == "GET"))?
            })
            .ok_or_else(|| Error::WrongMethod(rows.iter().map(|row| row.method).collect()))
    }
}

/// Which service a path belongs to, known or not.
pub fn service_of(path: &str) -> Service {
    if path == "/v3" || path.starts_with("/v3/") {
        Service::Iam
    } else {
        Service::Kms
    }
}

async fn carry_out(kms: &Arc<Kms>, route: &Route, request: &Request) -> Result<Reply> {
    match &route.kind {
        Kind::Public(answer) => answer(kms, request),
        Kind::PublicAsync(Public::TokenKeys) => identity::token_keys(kms).await,
        Kind::PublicAsync(Public::Ready) => versions::ready(kms).await,
        Kind::LogIn => identity::log_in(kms, request).await,
        Kind::Guarded(action, handler) => {
            let call = Call {
                action: *action,
                region: region_of(kms, request),
                caller: auth::authenticate(kms, request).await,
                claimed: auth::claimed(request),
            };
            serve(kms, request, call, async |cx| {
                if let Some(project) = request.param("project_id") {
                    match cx.caller().project() {
                        None => return Err(Error::NeedsProjectScope),
                        Some(own) if own.id.as_str() != project => return Err(Error::WrongProject),
                        Some(_) => {}
                    }
                }
                handler(cx, request).await
            })
            .await
        }
    }
}

/// The region in `kms.<region>.…` of the Host, if it is served here; else the home region.
fn region_of(kms: &Kms, request: &Request) -> Region {
    let named = request
        .header("host")
        .ok()
        .flatten()
        .and_then(|host| host.strip_prefix("kms."))
        .and_then(|rest| rest.split('.').next());
    kms.config()
        .regions
        .iter()
        .find(|region| named == Some(region.as_str()))
        .unwrap_or_else(|| kms.config().home_region())
        .clone()
}

/// Faults of ours are told to the log with their causes, and to nobody else.
fn log_fault(error: &Error, request: &Request) {
    let request_id = &request.request_id;
    match error {
        Error::Internal(cause) => tracing::error!(%request_id, cause, "a fault of kmsd"),
        Error::Unavailable(cause) => tracing::warn!(%request_id, cause, "not available"),
        _ => {}
    }
}
