//! Verbs: everything that may be asked of kmsd, and what kind of thing each is.
//!
//! One row says all of an action but two things: what the states of a key say to it
//! (`state.rs`), and how each dialect spells it.

/// What an action does to what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it reads, or it uses a key.
    Reads,
    /// A change, which commits together with its audit record.
    Changes,
}

/// How far a role must reach for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// No role is needed: it is about the caller's own identity.
    Anyone,
    /// Reading. It never implies more (threat model I-17).
    Read,
    /// What the vendor's Tenant Guest may do beside reading, for historic reasons.
    Guest,
    /// Any other change or use.
    Full,
    /// Nobody's role reaches it: the operator or kmsd itself does it, and no route leads there.
    Nobody,
}

macro_rules! actions {
    ($($(#[$doc:meta])+ $name:ident: $effect:ident, $reach:ident, $permission:expr;)*) => {
        /// One thing that can be asked for. Adding one does not compile until the state table
        /// knows it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $($(#[$doc])+ $name,)*
        }

        impl Action {
            /// Every action, in the order of the documentation.
            pub const ALL: [Action; [$(Action::$name),*].len()] = [$(Action::$name),*];

            /// The name in audit records, logs and metrics. Stored, so it never changes.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Action::$name => stringify!($name),)*
                }
            }

            /// Whether it only reads.
            pub const fn effect(self) -> Effect {
                match self {
                    $(Action::$name => Effect::$effect,)*
                }
            }

            /// Whether it may be done to a key that a cloud service made for itself: it may be read
            /// and used (contract, section 3.3).
            pub const fn fits_default_key(self) -> bool {
                matches!(self.effect(), Effect::Reads) && !self.is_about_imports()
            }

            /// Whether a key's policy can let users of another account do it (AWS's contract, section
            /// 6).
            pub const fn is_for_others(self) -> bool {
                matches!(
                    self,
                    Action::CreateGrant
                        | Action::Decapsulate
                        | Action::Decrypt
                        | Action::DecryptDataKey
                        | Action::DeriveSharedSecret
                        | Action::DescribeKey
                        | Action::Encapsulate
                        | Action::Encrypt
                        | Action::EncryptDataKey
                        | Action::GenerateDataKey
                        | Action::GenerateDataKeyPair
                        | Action::GenerateDataKeyWithoutPlaintext
                        | Action::GenerateMac
                        | Action::GetRotationStatus
                        | Action::GetPublicKey
                        | Action::ListGrants
                        | Action::ReEncrypt
                        | Action::RetireGrant
                        | Action::RevokeGrant
                        | Action::Sign
                        | Action::Verify
                        | Action::VerifyMac
                )
            }

            /// Whether it is about imported material: a key whose material kmsd made is refused
            /// whatever its state (contract, section 5.2).
            pub const fn is_about_imports(self) -> bool {
                matches!(
                    self,
                    Action::GetImportParameters
                        | Action::ImportKeyMaterial
                        | Action::DeleteKeyMaterial
                )
            }

            /// How far a role must reach for it.
            pub const fn reach(self) -> Reach {
                match self {
                    $(Action::$name => Reach::$reach,)*
                }
            }

            /// The permission that a role must give, by Huawei's name for it (contract, section 2
            /// and 9.1); the calls that Huawei puts under one permission keep that company. `None`
            /// for what no role decides.
            pub const fn permission(self) -> Option<&'static str> {
                match self {
                    $(Action::$name => $permission,)*
                }
            }
        }
    };
}

actions! {
    // The life of keys.
    /// Make a key.
    CreateKey: Changes, Guest, Some("kms:cmk:create");
    /// Read one key.
    DescribeKey: Reads, Read, Some("kms:cmk:get");
    /// Read the keys of a project.
    ListKeys: Reads, Read, Some("kms:cmk:list");
    /// Let a disabled key be used again.
    EnableKey: Changes, Full, Some("kms:cmk:enable");
    /// Keep a key from being used.
    DisableKey: Changes, Full, Some("kms:cmk:disable");
    /// Set the day on which a key will be destroyed.
    ScheduleKeyDeletion: Changes, Full, Some("kms:cmk:update");
    /// Call off a scheduled deletion.
    CancelKeyDeletion: Changes, Full, Some("kms:cmk:update");
    /// Give a key another name.
    RenameKey: Changes, Full, Some("kms:cmk:update");
    /// Change a key's description.
    UpdateKeyDescription: Changes, Full, Some("kms:cmk:update");
    /// Count the keys of a project.
    CountKeys: Reads, Read, Some("kms:cmk:getInstance");
    /// Read how much of each quota is used.
    ShowQuotas: Reads, Read, Some("kms:cmk:getQuota");

    // Uses of keys.
    /// Encrypt a little data with a key.
    Encrypt: Reads, Guest, Some("kms:cmk:crypto");
    /// Decrypt what was encrypted so.
    Decrypt: Reads, Guest, Some("kms:cmk:crypto");
    /// Make a data key, in the clear and wrapped.
    GenerateDataKey: Reads, Guest, Some("kms:dek:create");
    /// Make a data key, wrapped only.
    GenerateDataKeyWithoutPlaintext: Reads, Guest, Some("kms:dek:create");
    /// Wrap a data key that the caller has.
    EncryptDataKey: Reads, Guest, Some("kms:dek:crypto");
    /// Unwrap a data key.
    DecryptDataKey: Reads, Guest, Some("kms:dek:crypto");
    /// Make random bytes.
    GenerateRandom: Reads, Guest, Some("kms:cmk:generate");
    /// Sign a message.
    Sign: Reads, Full, Some("kms:cmk:sign");
    /// Check a signature.
    Verify: Reads, Full, Some("kms:cmk:verify");
    /// Read the public half of a key.
    GetPublicKey: Reads, Read, Some("kms:cmk:getPublicKey");
    /// Make a message authentication code.
    GenerateMac: Reads, Full, Some("kms:cmk:generateMac");
    /// Check a message authentication code.
    VerifyMac: Reads, Full, Some("kms:cmk:verifyMac");
    /// Decrypt with one key and encrypt with another, inside.
    ReEncrypt: Reads, Guest, Some("kms:cmk:crypto");
    /// Make a key pair, its private half wrapped.
    GenerateDataKeyPair: Reads, Full, Some("kms:cmk:createDataKeyPair");
    /// Agree on a secret with a peer.
    DeriveSharedSecret: Reads, Full, Some("kms:cmk:deriveSharedSecret");
    // Huawei has no such calls; these names are ours.
    /// Make a secret, in the clear and encapsulated.
    Encapsulate: Reads, Full, Some("kms:cmk:encapsulate");
    /// Get an encapsulated secret out again.
    Decapsulate: Reads, Full, Some("kms:cmk:decapsulate");

    // The trail of a key. Huawei has no such call; the permission's name is ours.
    /// Read the audit records of one key.
    ListKeyRecords: Reads, Read, Some("kmsd:audit:list");

    // Keystores, and PINs of data keys. Huawei publishes no permissions for keystores; these names
    // are ours.
    /// Make a keystore of a cluster of hardware security modules.
    CreateKeystore: Changes, Full, Some("kms:keystore:create");
    /// Read the keystores of a project.
    ListKeystores: Reads, Read, Some("kms:keystore:list");
    /// Read one keystore.
    ShowKeystore: Reads, Read, Some("kms:keystore:get");
    /// Let the keys of a keystore be made and used.
    EnableKeystore: Changes, Full, Some("kms:keystore:enable");
    /// Keep the keys of a keystore from being made and used.
    DisableKeystore: Changes, Full, Some("kms:keystore:disable");
    /// Change a keystore's name.
    UpdateKeystore: Changes, Full, Some("kms:keystore:update");
    /// Give up an empty keystore.
    DeleteKeystore: Changes, Full, Some("kms:keystore:delete");
    /// Make a PIN for data keys.
    CreatePin: Reads, Guest, Some("kms:dek:create");
    // Multi-region keys.
    /// Read where a key can be copied to.
    ListRegions: Reads, Read, Some("kms:cmk:listRegions");
    /// Copy a key to another region.
    ReplicateKey: Changes, Full, Some("kms:cmk:replicate");
    /// Make a replica the primary.
    UpdatePrimaryRegion: Changes, Full, Some("kms:cmk:updatePrimaryRegion");
    // Grants.
    /// Let somebody use a key.
    CreateGrant: Changes, Full, Some("kms:grant:create");
    /// Read the grants of a key.
    ListGrants: Reads, Read, Some("kms:grant:list");
    /// Read the grants that the caller may retire.
    ListRetirableGrants: Reads, Read, Some("kms:grant:list");
    /// Take a grant back.
    RevokeGrant: Changes, Full, Some("kms:grant:revoke");
    /// Give a grant up.
    RetireGrant: Changes, Guest, Some("kms:grant:retire");
    // Policies of keys. Huawei has none; these names are ours.
    /// Read the policy of a key.
    GetResourcePolicy: Reads, Read, Some("kms:cmkPolicy:get");
    /// Replace the policy of a key.
    PutResourcePolicy: Changes, Full, Some("kms:cmkPolicy:put");
    /// Read which policies a key has.
    ListResourcePolicies: Reads, Read, Some("kms:cmkPolicy:list");
    // Tags and aliases of keys.
    /// Give a key one tag.
    CreateTag: Changes, Full, Some("kms:cmkTag:create");
    /// Give a key tags, or take some from it.
    ChangeTags: Changes, Full, Some("kms:cmkTag:batch");
    /// Take one tag from a key.
    DeleteTag: Changes, Full, Some("kms:cmkTag:delete");
    /// Read a key's tags.
    ListTags: Reads, Read, Some("kms:cmkTag:list");
    /// Read which tags the keys of a project have.
    ListProjectTags: Reads, Read, Some("kms:cmkTag:list");
    /// Find or count keys by their tags.
    ListKeysByTags: Reads, Read, Some("kms:cmkTag:listInstance");
    /// Give a key an alias.
    CreateAlias: Changes, Full, Some("kms:alias:create");
    /// Move an alias to another key.
    MoveAlias: Changes, Full, Some("kms:alias:associate");
    /// Take aliases from a key.
    DeleteAliases: Changes, Full, Some("kms:alias:delete");
    /// Read the aliases of a key, or of all keys of a project.
    ListAliases: Reads, Read, Some("kms:alias:list");
    // Imported material and rotation.
    /// Get what material is wrapped with on its way in.
    GetImportParameters: Reads, Full, Some("kms:cmk:getMaterial");
    /// Bring a key's material in.
    ImportKeyMaterial: Changes, Full, Some("kms:cmk:importMaterial");
    /// Drop imported material.
    DeleteKeyMaterial: Changes, Full, Some("kms:cmk:deleteMaterial");
    /// Make a new version of a key's material current.
    RotateKeyOnDemand: Changes, Full, Some("kms:cmk:rotateOnDemand");
    /// Have a key's material renewed by plan.
    EnableKeyRotation: Changes, Full, Some("kms:cmk:enableRotation");
    /// Change the period of the plan.
    UpdateRotationInterval: Changes, Full, Some("kms:cmk:updateRotation");
    /// End the plan.
    DisableKeyRotation: Changes, Full, Some("kms:cmk:disableRotation");
    /// Read the plan and what has come of it.
    GetRotationStatus: Reads, Read, Some("kms:cmk:getRotation");
    // The trusted key space: capsules, and who may open them.
    /// Make a data key in a capsule that opens under a policy.
    CreateDatakeyCapsule: Reads, Full, Some("kms:cmk:createDatakeyCapsule");
    /// Open a capsule for a workload that proves itself.
    DecryptDatakeyCapsule: Reads, Full, Some("kms:cmk:decryptDatakeyCapsule");
    /// Register a workload that may open capsules.
    CreateAccessPoint: Changes, Full, Some("kms:accessPoint:create");
    /// Read the access points of a key space.
    ListAccessPoints: Reads, Read, Some("kms:accessPoint:list");
    /// Let an access point open capsules again.
    EnableAccessPoint: Changes, Full, Some("kms:accessPoint:enable");
    /// Keep an access point from opening capsules.
    DisableAccessPoint: Changes, Full, Some("kms:accessPoint:disable");
    /// Read the private key that was made with an access point.
    GetAccessPointPrivateKey: Reads, Full, Some("kms:accessPoint:getPrivateKey");
    /// End an access point.
    DeleteAccessPoint: Changes, Full, Some("kms:accessPoint:delete");
    /// Make a policy of capsules.
    CreateKeyPolicy: Changes, Full, Some("kms:policy:create");
    /// Read the policies of a key space.
    ListKeyPolicies: Reads, Read, Some("kms:policy:list");
    /// Read one policy.
    ShowKeyPolicy: Reads, Read, Some("kms:policy:get");
    /// Replace a policy.
    UpdateKeyPolicy: Changes, Full, Some("kms:policy:update");
    /// End a policy, and with it whatever is sealed under it.
    DeleteKeyPolicy: Changes, Full, Some("kms:policy:delete");

    // Identity.
    /// Exchange a credential for a token.
    IssueToken: Reads, Anyone, None;
    /// Ask whether a token is valid, and for whom.
    ValidateToken: Reads, Anyone, None;
    /// End a token before its time.
    RevokeToken: Changes, Anyone, None;
    /// Read the projects that the caller may use.
    ListProjects: Reads, Anyone, None;
    /// Read the domains that the caller may use.
    ListDomains: Reads, Anyone, None;
    /// Read where the services are.
    ShowCatalog: Reads, Anyone, None;

    // What only the operator or kmsd itself does.
    /// Register or change a domain, project, user, role or access key (`kmsd iam`).
    ManageIdentity: Changes, Nobody, None;
    /// Make new keys for signing tokens, or drop old ones (`kmsd iam token-key`).
    ManageTokenKeys: Changes, Nobody, None;
    /// Make a key that a cloud service has for itself (`kmsd iam default-key`).
    AddDefaultKey: Changes, Nobody, None;
    /// Destroy a key whose day has come.
    DestroyKey: Changes, Nobody, None;
    /// Renew a key's material, as its plan says.
    RotateKey: Changes, Nobody, None;
    /// Drop imported material whose time is over.
    ExpireKeyMaterial: Changes, Nobody, None;
    /// Refuse a credential: nobody was authenticated, so nothing else was asked for.
    RefuseCredential: Reads, Nobody, None;
}
