//! Who runs, and who waits.
//!
//! So many calls run at once, so many of them of one tenant, so many of those of one plugin. Who waits waits in the queue
//! of their plugin, plugins take turns within their tenant and tenants among each other: a tenant with a thousand waiting
//! calls is one of two when another has one.

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

/// How many calls run and wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Calls that run at once, all together.
    pub calls: u32,
    /// Calls of one tenant that run at once.
    pub calls_per_tenant: u32,
    /// Calls of one plugin of one tenant that run at once.
    pub calls_per_plugin: u32,
    /// Calls of one tenant that wait.
    pub waiting_per_tenant: u32,
    /// How long a call waits.
    pub wait: Duration,
}

/// There was no room in time; a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoRoom(pub(crate) String);

type Plugin = Arc<str>;

pub(crate) struct Admission {
    limits: AdmissionLimits,
    queues: Mutex<Queues>,
}

#[derive(Default)]
struct Queues {
    running: u32,
    waiting: u32,
    next_id: u64,
    tenants: HashMap<i64, Tenant>,
    /// Tenants with waiting calls, who is next first.
    turns: VecDeque<i64>,
}

#[derive(Default)]
struct Tenant {
    running: u32,
    waiting: u32,
    plugins: BTreeMap<Plugin, OnePlugin>,
    /// Plugins with waiting calls, which is next first.
    turns: VecDeque<Plugin>,
}

#[derive(Default)]
struct OnePlugin {
    running: u32,
    waiting: VecDeque<(u64, oneshot::Sender<Permit>)>,
}

impl Admission {
    pub(crate) fn new(limits: AdmissionLimits) -> Arc<Self> {
        Arc::new(Self { limits, queues: Mutex::default() })
    }

    /// Calls that run and that wait.
    pub(crate) fn counts(&self) -> (u32, u32) {
        let queues = self.lock();
        (queues.running, queues.waiting)
    }

    /// Waits for room.
    pub(crate) async fn enter(self: &Arc<Self>, tenant: i64, plugin: &Plugin) -> Result<Permit, NoRoom> {
        let (id, admitted) = {
            let mut queues = self.lock();
            let of_tenant = queues.tenants.get(&tenant);
            let of_plugin = of_tenant.and_then(|tenant| tenant.plugins.get(plugin));
            if of_plugin.is_none_or(|plugin| plugin.waiting.is_empty()) && self.fits(&queues, of_tenant, of_plugin) {
                queues.admit(tenant, plugin);
                return Ok(self.permit(tenant, plugin.clone()));
            }
            let most = self.limits.waiting_per_tenant;
            if of_tenant.map_or(0, |tenant| tenant.waiting) >= most {
                return Err(NoRoom(format!("{most} calls are waiting already")));
            }
            queues.queue(tenant, plugin)
        };
        let waiting = Waiting { admission: self, tenant, plugin, id };
        let admitted = tokio::time::timeout(self.limits.wait, admitted).await;
        drop(waiting);
        match admitted {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(NoRoom(format!("there was no room within {} ms", self.limits.wait.as_millis()))),
        }
    }

    fn fits(&self, queues: &Queues, tenant: Option<&Tenant>, plugin: Option<&OnePlugin>) -> bool {
        queues.running < self.limits.calls
            && tenant.map_or(0, |tenant| tenant.running) < self.limits.calls_per_tenant
            && plugin.map_or(0, |plugin| plugin.running) < self.limits.calls_per_plugin
    }

    /// Lets in whoever fits now, tenants and plugins in turn.
    fn dispatch(self: &Arc<Self>, queues: &mut Queues) {
        let mut passed = 0;
        while queues.running < self.limits.calls && passed < queues.turns.len() {
            let Some(tenant) = queues.turns.pop_front() else { return };
            if self.next_of(queues, tenant) {
                passed = 0;
            } else {
                passed += 1;
            }
            if queues.tenants.get(&tenant).is_some_and(|t| t.waiting > 0) {
                queues.turns.push_back(tenant);
            }
        }
    }

    fn next_of(self: &Arc<Self>, queues: &mut Queues, tenant: i64) -> bool {
        let plugins = queues.tenants.get(&tenant).map_or(0, |t| t.turns.len());
        for _ in 0..plugins {
            let Some(of_tenant) = queues.tenants.get_mut(&tenant) else { return false };
            let Some(plugin) = of_tenant.turns.pop_front() else { return false };
            of_tenant.turns.push_back(plugin.clone());
            let of_tenant = queues.tenants.get(&tenant);
            let of_plugin = of_tenant.and_then(|tenant| tenant.plugins.get(&plugin));
            if self.fits(queues, of_tenant, of_plugin)
                && let Some(waiter) = queues.take(tenant, &plugin)
            {
                queues.admit(tenant, &plugin);
                // One who has gone gives the permit back as it is dropped; the lock is held here, so by hand.
                if let Err(mut permit) = waiter.send(self.permit(tenant, plugin.clone())) {
                    permit.admission = None;
                    queues.leave(tenant, &plugin);
                    continue;
                }
                return true;
            }
        }
        false
    }

    fn permit(self: &Arc<Self>, tenant: i64, plugin: Plugin) -> Permit {
        Permit { admission: Some(self.clone()), tenant, plugin }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tenant {
    fn leave(&mut self, plugin: &Plugin) {
        self.running = self.running.saturating_sub(1);
        if let Some(of_plugin) = self.plugins.get_mut(plugin) {
            of_plugin.running = of_plugin.running.saturating_sub(1);
            if of_plugin.is_idle() {
                self.plugins.remove(plugin);
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting == 0
    }
}

impl OnePlugin {
    fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }
}

impl Queues {
    fn admit(&mut self, tenant: i64, plugin: &Plugin) {
        self.running += 1;
        let tenant = self.tenants.entry(tenant).or_default();
        tenant.running += 1;
        tenant.plugins.entry(plugin.clone()).or_default().running += 1;
    }

    fn leave(&mut self, tenant: i64, plugin: &Plugin) {
        self.running = self.running.saturating_sub(1);
        let Entry::Occupied(mut of_tenant) = self.tenants.entry(tenant) else { return };
        of_tenant.get_mut().leave(plugin);
        if of_tenant.get().is_idle() {
            of_tenant.remove();
        }
    }

    fn queue(&mut self, tenant: i64, plugin: &Plugin) -> (u64, oneshot::Receiver<Permit>) {
        self.next_id += 1;
        let (send, receive) = oneshot::channel();
        let of_tenant = self.tenants.entry(tenant).or_default();
        if of_tenant.waiting == 0 {
            self.turns.push_back(tenant);
        }
        of_tenant.waiting += 1;
        self.waiting += 1;
        let of_plugin = of_tenant.plugins.entry(plugin.clone()).or_default();
        if of_plugin.waiting.is_empty() {
            of_tenant.turns.push_back(plugin.clone());
        }
        of_plugin.waiting.push_back((self.next_id, send));
        (self.next_id, receive)
    }

    /// Takes the first of a plugin's queue out.
    fn take(&mut self, tenant: i64, plugin: &Plugin) -> Option<oneshot::Sender<Permit>> {
        let waiting = &mut self.tenants.get_mut(&tenant)?.plugins.get_mut(plugin)?.waiting;
        let (_, waiter) = waiting.pop_front()?;
        self.taken(tenant, plugin);
        Some(waiter)
    }

    /// Takes one who waits no longer out.
    fn give_up(&mut self, tenant: i64, plugin: &Plugin, id: u64) {
        let Some(of_tenant) = self.tenants.get_mut(&tenant) else { return };
        let Some(of_plugin) = of_tenant.plugins.get_mut(plugin) else { return };
        let Some(at) = of_plugin.waiting.iter().position(|(other, _)| *other == id) else { return };
        of_plugin.waiting.remove(at);
        self.taken(tenant, plugin);
        self.tidy(tenant, plugin);
    }

    fn taken(&mut self, tenant: i64, plugin: &Plugin) {
        self.waiting = self.waiting.saturating_sub(1);
        let Some(of_tenant) = self.tenants.get_mut(&tenant) else { return };
        of_tenant.waiting = of_tenant.waiting.saturating_sub(1);
        if of_tenant.plugins.get(plugin).is_some_and(|p| p.waiting.is_empty()) {
            of_tenant.turns.retain(|other| other != plugin);
        }
        if of_tenant.waiting == 0 {
            self.turns.retain(|other| *other != tenant);
        }
    }

    /// Forgets who neither runs nor waits.
    fn tidy(&mut self, tenant: i64, plugin: &Plugin) {
        let Some(of_tenant) = self.tenants.get_mut(&tenant) else { return };
        if of_tenant.plugins.get(plugin).is_some_and(OnePlugin::is_idle) {
            of_tenant.plugins.remove(plugin);
        }
        if of_tenant.is_idle() {
            self.tenants.remove(&tenant);
        }
    }
}

/// Room for one call.
pub(crate) struct Permit {
    admission: Option<Arc<Admission>>,
    tenant: i64,
    plugin: Plugin,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            let mut queues = admission.lock();
            queues.leave(self.tenant, &self.plugin);
            admission.dispatch(&mut queues);
        }
    }
}

/// A place in a queue, left when it is dropped.
struct Waiting<'a> {
    admission: &'a Arc<Admission>,
    tenant: i64,
    plugin: &'a Plugin,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.admission.lock().give_up(self.tenant, self.plugin, self.id);
    }
}
