//! The calls: finding what is called, calling it, and entering it into the books.

use std::sync::{Arc, Mutex};

use domain::{
    BotId, ContactId,
    plugin::{PluginEffect, PluginFailure, PluginOutcome},
};
use plugin_host::{CallError, Called, Caller, Finding, Handling, HookRequest, Loaded, Recognition, ServiceError};

use super::{
    HandleCall, MatchCall, PendingValues, PluginError, Plugins, PollCall, TriggerCall, host_error,
    ledger::Entry,
    lock, services,
    services::{CallServices, Mode},
    setup,
    setup::{Setup, SetupError, SetupKey},
};

impl Plugins {
    /// Calls a node, once. Always comes to an outcome. A call that changed values and is repeated after a crash is not made
    /// again: it has the outcome it had.
    pub async fn run_node(&self, bot: BotId, contact: ContactId, effect: &PluginEffect) -> PluginOutcome {
        let pin = &effect.plugin;
        let key = SetupKey { bot, name: pin.name.clone(), digest: Some(pin.digest.clone()) };
        match self.node_outcome(key, contact, effect).await {
            Ok(outcome) => outcome,
            Err(failure) => PluginOutcome::Failure(failure),
        }
    }

    async fn node_outcome(
        &self,
        key: SetupKey,
        contact: ContactId,
        effect: &PluginEffect,
    ) -> Result<PluginOutcome, PluginFailure> {
        let bot = key.bot;
        let setup = self.setup(key).await?;
        let keeps_values = setup.rights.in_force().kv.is_some();
        let call_id = &effect.idempotency_key;
        if keeps_values && let Some(outcome) = self.kept_outcome(bot, call_id).await? {
            return Ok(outcome);
        }
        let code = self.code(&setup.digest).await?;
        let caller = self.caller(&setup, bot, Some(contact), call_id, Mode::Real);
        let called = self.host.node(&code, &caller, effect).await;
        let outcome = match self.enter(&setup, bot, call_id, called) {
            Ok(step) => PluginOutcome::Step(Box::new(step)),
            Err(CallError::Fault(fault)) => PluginOutcome::Fault(fault),
            // It may be that another host made the same call meanwhile: then its outcome counts.
            Err(CallError::Failure(failure)) => match keeps_values {
                true => self.kept_outcome(bot, call_id).await?.unwrap_or(PluginOutcome::Failure(failure)),
                false => PluginOutcome::Failure(failure),
            },
        };
        Ok(outcome)
    }

    async fn kept_outcome(&self, bot: BotId, call_id: &str) -> Result<Option<PluginOutcome>, PluginFailure> {
        let read = async || {
            let mut tx = self.db.read().await?;
            let kept = tx.kept_outcome(bot, call_id).await?;
            tx.commit().await?;
            Ok(kept)
        };
        let kept = read().await.map_err(|error: storage::Error| host_error(&error))?;
        let parse = |text: String| serde_json::from_str(&text).map_err(|error| host_error(&error));
        kept.map(parse).transpose()
    }

    /// Asks a matcher; `None` when it is not meant.
    ///
    /// # Errors
    /// When the plugin or the host cannot.
    pub async fn matches(&self, bot: BotId, call: MatchCall) -> Result<Option<Recognition>, PluginError> {
        let MatchCall { trigger, occurrence } = call;
        let (setup, code, caller) = self.ready(bot, &trigger, Mode::Real).await?;
        let called = self.host.matches(&code, &caller, &asked(&trigger), &occurrence).await;
        Ok(self.enter(&setup, bot, &trigger.idempotency_key, called)?)
    }

    /// Hands a request to a webhook handler. What it wants kept is to be stored with the events.
    ///
    /// # Errors
    /// When the plugin or the host cannot.
    pub(crate) async fn handle(&self, bot: BotId, call: HandleCall) -> Result<(Handling, PendingValues), PluginError> {
        let HandleCall { trigger, method, path, query, headers, body } = call;
        let request = HookRequest { method, path, query, headers, body };
        let (mode, kept) = later();
        let (setup, code, caller) = self.ready(bot, &trigger, mode).await?;
        let called = self.host.handle(&code, &caller, &asked(&trigger), &request).await;
        Ok((self.enter(&setup, bot, &trigger.idempotency_key, called)?, take(&kept)))
    }

    /// Lets a poller look. What it wants kept is to be stored with the events and the cursor.
    ///
    /// # Errors
    /// When the plugin or the host cannot.
    pub(crate) async fn poll(&self, bot: BotId, call: PollCall) -> Result<(Finding, PendingValues), PluginError> {
        let PollCall { trigger, cursor } = call;
        let (mode, kept) = later();
        let (setup, code, caller) = self.ready(bot, &trigger, mode).await?;
        let called = self.host.poll(&code, &caller, &asked(&trigger), cursor.as_ref()).await;
        Ok((self.enter(&setup, bot, &trigger.idempotency_key, called)?, take(&kept)))
    }

    async fn ready(
        &self,
        bot: BotId,
        trigger: &TriggerCall,
        mode: Mode,
    ) -> Result<(Arc<Setup>, Arc<Loaded>, Caller), PluginFailure> {
        let setup = self.setup(SetupKey { bot, name: trigger.plugin.clone(), digest: None }).await?;
        let code = self.code(&setup.digest).await?;
        let caller = self.caller(&setup, bot, trigger.contact, &trigger.idempotency_key, mode);
        Ok((setup, code, caller))
    }

    pub(super) fn caller(
        &self,
        setup: &Setup,
        bot: BotId,
        contact: Option<ContactId>,
        call_id: &str,
        mode: Mode,
    ) -> Caller {
        let services = CallServices {
            db: self.db.clone(),
            clock: self.clock.clone(),
            outside: self.outside.clone(),
            plugin: setup.plugin,
            bot,
            contact,
            call_id: call_id.to_owned(),
            secrets: setup.secrets.clone(),
            mode,
        };
        Caller {
            tenant: setup.tenant.0,
            limits: setup.limits,
            rights: setup.rights.clone(),
            has_contact: contact.is_some(),
            services: Arc::new(services),
        }
    }

    /// Enters a call into the books and takes out what only the plugin's owner may see.
    fn enter<T>(&self, setup: &Setup, bot: BotId, call_id: &str, called: Called<T>) -> Result<T, CallError> {
        let Called { result, usage, logs, .. } = called;
        let error = result.as_ref().err();
        let at = self.clock.now();
        self.ledger.enter(Entry { setup, bot, call_id, error, usage: &usage, logs, at });
        result.map_err(|error| setup.for_owner_only(error))
    }

    pub(super) async fn code(&self, digest: &str) -> Result<Arc<Loaded>, PluginFailure> {
        let component = async {
            let read = async || {
                let mut tx = self.db.read().await?;
                let component = tx.plugin_component(digest).await?;
                tx.commit().await?;
                Ok(component)
            };
            match read().await {
                Ok(Some(component)) => Ok(component),
                Ok(None) => Err(ServiceError("the plugin's code is gone".into())),
                Err(error) => Err(services::silent(&error)),
            }
        };
        self.host.load(digest, component).await
    }

    async fn setup(&self, key: SetupKey) -> Result<Arc<Setup>, PluginFailure> {
        let read = async || {
            let revision = self.revision.now(&self.db).await?;
            if let Some((known, setup)) = lock(&self.setups).get(&key)
                && *known == revision
            {
                return Ok(setup.clone());
            }
            let mut tx = self.db.read().await?;
            tx.hold_still().await?;
            let revision = tx.plugin_revision().await?;
            let setup = Arc::new(setup::read(&mut tx, &key, &self.config, &self.secrets).await?);
            tx.commit().await?;
            lock(&self.setups).put(key.clone(), (revision, setup.clone()));
            Ok(setup)
        };
        read().await.map_err(|error| match error {
            SetupError::Storage(error) => host_error(&error),
            SetupError::Failure(failure) => failure,
        })
    }
}

/// Where a call leaves what it keeps.
fn later() -> (Mode, Arc<Mutex<PendingValues>>) {
    let kept = Arc::new(Mutex::new(PendingValues::none()));
    (Mode::Later(kept.clone()), kept)
}

fn take(kept: &Mutex<PendingValues>) -> PendingValues {
    std::mem::replace(&mut *lock(kept), PendingValues::none())
}

fn asked(call: &TriggerCall) -> plugin_host::TriggerCall {
    plugin_host::TriggerCall {
        trigger_type: call.trigger_type.clone(),
        config: call.config.clone(),
        context: call.context.clone(),
        call_id: call.idempotency_key.clone(),
    }
}
