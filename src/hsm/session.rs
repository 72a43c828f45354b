//! Sessions with a token: opened when needed, kept while they work, and opened anew when the token
//! was away.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::Cluster;
use crate::crypto::CryptoError;
use crate::crypto::secret::Secret;
use crate::limits;

/// Why something did not work.
#[derive(Debug)]
pub(super) enum Fault {
    /// The session, the token or the object is not there: perhaps it is in another session.
    Lost(String),
    /// The token works, and does not do that.
    Refused(CryptoError),
}

impl From<CryptoError> for Fault {
    fn from(error: CryptoError) -> Self {
        Fault::Refused(error)
    }
}

impl From<Pkcs11Error> for Fault {
    fn from(error: Pkcs11Error) -> Self {
        use RvError as R;
        match error {
            Pkcs11Error::Pkcs11(
                R::ArgumentsBad
                | R::AttributeTypeInvalid
                | R::AttributeValueInvalid
                | R::CurveNotSupported
                | R::DomainParamsInvalid
                | R::FunctionNotSupported
                | R::KeyFunctionNotPermitted
                | R::KeySizeRange
                | R::KeyTypeInconsistent
                | R::MechanismInvalid
                | R::MechanismParamInvalid
                | R::RandomNoRng
                | R::TemplateIncomplete
                | R::TemplateInconsistent,
                _,
            )
            | Pkcs11Error::NullFunctionPointer
            | Pkcs11Error::NotSupported => Fault::Refused(CryptoError::Unsupported),
            Pkcs11Error::Pkcs11(
                R::DataInvalid
                | R::DataLenRange
                | R::EncryptedDataInvalid
                | R::EncryptedDataLenRange,
                _,
            ) => Fault::Refused(CryptoError::Invalid),
            other => Fault::Lost(other.to_string()),
        }
    }
}

impl Cluster {
    /// Does something in a session. When a session that was kept turns out to be dead, it is done
    /// once more in a new one, so it must be fit to be done twice.
    pub(super) fn with_session<T>(
        &self,
        work: impl Fn(&Session) -> Result<T, Fault>,
    ) -> Result<T, CryptoError> {
        let kept = self.idle().pop();
        if let Some(session) = kept {
            match work(&session) {
                Err(Fault::Lost(why)) => {
                    tracing::info!(cluster = %self.id(), why, "an HSM session ended; opening another");
                    // The others are of the same token and no better.
                    self.idle().clear();
                }
                Err(Fault::Refused(error)) => {
                    self.keep(session);
                    return Err(error);
                }
                Ok(done) => {
                    self.keep(session);
                    return Ok(done);
                }
            }
        }
        let lost = |why: String| {
            tracing::warn!(cluster = %self.id(), why, "an HSM cluster does not answer");
            CryptoError::Unreachable
        };
        let session = self.connect().map_err(lost)?;
        match work(&session) {
            Err(Fault::Lost(why)) => Err(lost(why)),
            Err(Fault::Refused(error)) => {
                self.keep(session);
                Err(error)
            }
            Ok(done) => {
                self.keep(session);
                Ok(done)
            }
        }
    }

    fn keep(&self, session: Session) {
        let mut idle = self.idle();
        if idle.len() < limits::HSM_SESSIONS {
            idle.push(session);
        }
    }

    /// A new session, logged in; or why there is none.
    fn connect(&self) -> Result<Session, String> {
        let module = loaded(&self.settings.module)?;
        let label = self.settings.token_label.as_str();
        let slots = module
            .get_slots_with_token()
            .map_err(|error| error.to_string())?;
        let slot = slots
            .into_iter()
            .find(|slot| {
                module
                    .get_token_info(*slot)
                    .is_ok_and(|token| token.label() == label)
            })
            .ok_or_else(|| format!("no token has the label {label:?}"))?;
        let session = module
            .open_rw_session(slot)
            .map_err(|error| error.to_string())?;
        self.log_in(&session)?;
        Ok(session)
    }

    /// A log-in is for all sessions of the process with this token. One at a time, and never with a
    /// PIN that was refused: a few wrong ones lock a token.
    fn log_in(&self, session: &Session) -> Result<(), String> {
        let mut refused = self
            .refused_pin
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let file = self.settings.pin_file.display();
        let text = std::fs::read_to_string(&self.settings.pin_file)
            .map(Zeroizing::new)
            .map_err(|error| format!("the PIN file {file}: {error}"))?;
        let pin = text.lines().next().unwrap_or_default();
        let read = Secret::from_slice(pin.as_bytes());
        if refused.as_ref().is_some_and(|refused| refused.eq_ct(&read)) {
            return Err(format!(
                "the token refused the PIN in {file}; it is not tried again until the file changes"
            ));
        }
        match session.login(UserType::User, Some(&AuthPin::from(pin.to_owned()))) {
            Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                *refused = None;
                Ok(())
            }
            Err(error) => {
                if matches!(
                    error,
                    Pkcs11Error::Pkcs11(
                        RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange,
                        _
                    )
                ) {
                    *refused = Some(read);
                }
                Err(format!("log-in with the PIN in {file}: {error}"))
            }
        }
    }
}

/// A vendor's library, loaded and initialized: once for each process, whoever uses it.
fn loaded(path: &Path) -> Result<Pkcs11, String> {
    static LOADED: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = loaded.get(path) {
        return Ok(module.clone());
    }
    let about = |error: Pkcs11Error| format!("{}: {error}", path.display());
    let module = Pkcs11::new(path).map_err(about)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(about(error)),
    }
    loaded.insert(path.to_owned(), module.clone());
    Ok(module)
}
