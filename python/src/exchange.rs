//! The class `Exchange`.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use idjag::{Config, Directory, Receipt, ResourceRequest, Response, Store, TokenRequest};
use idjag_fetch::{Fetcher, Pace};
use idjag_log::{Handed, Log};
use idjag_stores::Alone;
use pyo3::PyTraverseError;
use pyo3::PyVisit;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::challenge::Challenge;
use crate::clock::{Source, Told};
use crate::config::{Details, Document, Given};
use crate::documents::{Documents, Fetching};
use crate::endpoint::{self, Headers, TokenResponse};
use crate::errors;
use crate::explanation::Explanation;
use crate::fetching;
use crate::keeping::{Claiming, Recording, Store as HostStore, Taking};
use crate::process::Process;
use crate::request::{Asked, Request};
use crate::revocation::Revocation;
use crate::text::{Resources, Scopes, Text};
use crate::token::{IssuedToken, VerifiedToken};
use crate::waiting::{PendingResponse, PendingToken, Watch};

/// The engine: takes ID-JAGs, mints access tokens, verifies them. Shared by any number of threads.
#[pyclass(frozen, subclass, module = "idjag")]
pub(crate) struct Exchange {
    /// In a place of its own, where the threads that fetch its keys find it.
    engine: Arc<idjag::Exchange>,
    fetcher: Arc<Fetcher>,
    clock: Source,
    documents: Option<Arc<Documents>>,
    host_store: Option<Arc<HostStore>>,
    host_record: Option<Arc<Recording>>,
    process: Process,
    alone: Mutex<Alone>,
    /// Whether the single-use store is on another host, and a call waits for it.
    is_remote: bool,
    /// The record, where one is kept: exchanges wait for its disk.
    log: Option<Arc<Log>>,
}

/// How a request shows that a token is its own.
struct Proof<'a> {
    dpop: Option<Text<'a>>,
    method: Option<Text<'a>>,
    url: Option<Text<'a>>,
    client_certificate: Option<Cow<'a, [u8]>>,
}

impl Proof<'_> {
    fn with<'r>(&'r self, token: &'r Text<'_>, resource: &'r Text<'_>) -> ResourceRequest<'r> {
        ResourceRequest {
            token: token.as_str().as_bytes(),
            resource: resource.as_str(),
            dpop: self.dpop.as_ref().map(|proof| proof.as_str().as_bytes()),
            method: self.method.as_ref().map_or("", Text::as_str),
            url: self.url.as_ref().map_or("", Text::as_str),
            client_certificate: self.client_certificate.as_deref(),
        }
    }
}

type Answer = fn(&idjag::Exchange, &TokenRequest<'_>) -> Response;

#[pymethods]
impl Exchange {
    #[new]
    #[pyo3(signature = (config, *, clock = None, client_documents = None, replay = None, record = None))]
    fn new(
        py: Python<'_>,
        config: Given,
        clock: Option<Py<PyAny>>,
        client_documents: Option<Py<PyAny>>,
        replay: Option<Py<PyAny>>,
        record: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let clock = Source::new(py, clock)?;
        let documents = Documents::new(py, client_documents)?;
        let (host_store, host_record) = (HostStore::new(py, replay)?, Recording::new(py, record)?);
        let given = config;
        let config = given.load(py, Config::parse)?;
        given.leaves_room(py, &config, host_store.is_some(), host_record.is_some())?;
        let alone = Mutex::new(given.alone(py, &config, host_store.is_some())?);
        let is_remote = matches!(config.store(), Store::Redis { .. });
        let now = clock.now(py)?;
        let store = given.store(py, &config, now)?;
        let record = given.record(py, &config, now)?;
        let log = record.as_ref().map(|record| Arc::clone(record.log()));
        let builder = idjag::Exchange::builder(config);
        let builder = match clock {
            Source::System => builder,
            Source::Host(_) => builder.clock(Told),
        };
        let builder = match &documents {
            None => builder,
            Some(documents) => builder.client_documents(Box::new(Fetching(documents.clone()))),
        };
        let builder = match (&host_store, store) {
            (Some(host), _) => builder.replay(Box::new(Claiming(Arc::clone(host)))),
            (None, Some(store)) => builder.replay(store),
            (None, None) => builder,
        };
        let builder = match (&host_record, record) {
            (Some(host), _) => builder.record(Arc::new(Handed::to(Taking(Arc::clone(host))))),
            (None, Some(record)) => record.give(builder),
            (None, None) => builder,
        };
        let fetcher = Fetcher::new(builder.fetch_settings(), given.folder(), Pace::default());
        let engine = py
            .detach(|| fetching::start(builder, &fetcher, documents.is_some()))
            .map_err(|error| errors::load(py, &error))?;
        let process = Process::current();
        Ok(Self {
            engine,
            fetcher,
            clock,
            documents,
            host_store,
            host_record,
            process,
            alone,
            is_remote,
            log,
        })
    }

    /// Exchanges an ID-JAG for an access token.
    ///
    /// Raises `ExchangeDenied` where the answer is no, whatever the strings hold, and `Unavailable` where there is none now.
    #[pyo3(signature = (assertion, *, client_id, resource = None, scopes = None, authorization_details = None))]
    fn exchange(
        &self,
        py: Python<'_>,
        assertion: Text<'_>,
        client_id: Text<'_>,
        resource: Option<Resources>,
        scopes: Option<Scopes>,
        authorization_details: Option<Details>,
    ) -> PyResult<IssuedToken> {
        let asked = Asked { assertion, client_id, resource, scopes, authorization_details };
        let engine = self.engine(py)?;
        let issued = asked.with(|request| self.deciding(py, || engine.exchange(request)));
        issued.map(IssuedToken).map_err(|refusal| errors::refusal(py, refusal))
    }

    /// The same up to where the record is waited for: an `IssuedToken`, or one that is to be finished.
    #[pyo3(signature = (assertion, client_id, resource, scopes, authorization_details))]
    fn _begin_exchange<'py>(
        &self,
        py: Python<'py>,
        assertion: Text<'_>,
        client_id: Text<'_>,
        resource: Option<Resources>,
        scopes: Option<Scopes>,
        authorization_details: Option<Details>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let asked = Asked { assertion, client_id, resource, scopes, authorization_details };
        let (engine, now) = (self.at_rest(py)?, self.clock.now(py)?);
        let pending = asked.with(|request| self.working(py, || engine.decide(request, now)));
        let pending = pending.map_err(|refusal| errors::refusal(py, refusal))?;
        let receipt = pending.receipt();
        if self.waits_for(receipt) {
            return Ok(Bound::new(py, PendingToken::new(receipt, pending))?.into_any());
        }
        let issued = pending.finish().map_err(|refusal| errors::refusal(py, refusal))?;
        Ok(Bound::new(py, IssuedToken(issued))?.into_any())
    }

    /// Exchanges many on all cores, with the answers in the order of the requests. A refusal is an answer.
    ///
    /// Of a `jti` that comes twice the first wins.
    fn exchange_many<'py>(
        &self,
        py: Python<'py>,
        requests: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        let requests: Vec<Bound<'_, Request>> = requests
            .try_iter()?
            .map(|request| Ok(request?.cast_into::<Request>()?))
            .collect::<PyResult<_>>()?;
        let engine = self.engine(py)?;
        let requests: Vec<&Request> = requests.iter().map(Bound::get).collect();
        let answers = py.detach(|| {
            let resources: Vec<Vec<&str>> = requests.iter().map(|request| request.resources()).collect();
            let requests = requests.iter().zip(&resources);
            let requests: Vec<_> = requests.map(|(request, resources)| request.with(resources)).collect();
            engine.exchange_many(&requests)
        });
        let objects = answers.into_iter().map(|answer| match answer {
            Ok(issued) => Ok(Bound::new(py, IssuedToken(issued))?.into_any()),
            Err(refusal) => errors::refusal_object(py, refusal),
        });
        PyList::new(py, objects.collect::<PyResult<Vec<_>>>()?)
    }

    /// Verifies an access token of this server for `resource`, as of now. `None` for whatever is not valid.
    #[pyo3(signature = (token, *, resource, dpop = None, method = None, url = None, client_certificate = None))]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Python method")]
    fn verify(
        &self,
        py: Python<'_>,
        token: Text<'_>,
        resource: Text<'_>,
        dpop: Option<Text<'_>>,
        method: Option<Text<'_>>,
        url: Option<Text<'_>>,
        client_certificate: Option<Cow<'_, [u8]>>,
    ) -> PyResult<Option<VerifiedToken>> {
        let proof = Proof { dpop, method, url, client_certificate };
        let (engine, request) = (self.engine(py)?, proof.with(&token, &resource));
        Ok(self.working(py, || engine.verify_request(&request)).ok().map(VerifiedToken))
    }

    /// The same, with what to answer where it is not valid. Raises `Unavailable` where that cannot be told now.
    #[pyo3(signature = (token, *, resource, dpop = None, method = None, url = None, client_certificate = None))]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Python method")]
    fn verify_request<'py>(
        &self,
        py: Python<'py>,
        token: Option<Text<'_>>,
        resource: Text<'_>,
        dpop: Option<Text<'_>>,
        method: Option<Text<'_>>,
        url: Option<Text<'_>>,
        client_certificate: Option<Cow<'_, [u8]>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let engine = self.engine(py)?;
        let challenge = |challenge| Ok(Bound::new(py, challenge)?.into_any());
        let Some(token) = token else {
            return challenge(Challenge::missing(engine, resource.as_str()));
        };
        let proof = Proof { dpop, method, url, client_certificate };
        let request = proof.with(&token, &resource);
        match self.working(py, || engine.verify_request(&request)) {
            Ok(verified) => Ok(Bound::new(py, VerifiedToken(verified))?.into_any()),
            Err(refusal) => Challenge::of(engine, resource.as_str(), refusal)
                .map_or_else(|| Err(errors::refusal(py, refusal)), challenge),
        }
    }

    /// Why `exchange` would grant or refuse. Spends nothing and mints nothing.
    #[pyo3(signature = (assertion, *, client_id, resource = None, scopes = None, authorization_details = None))]
    fn explain(
        &self,
        py: Python<'_>,
        assertion: Text<'_>,
        client_id: Text<'_>,
        resource: Option<Resources>,
        scopes: Option<Scopes>,
        authorization_details: Option<Details>,
    ) -> PyResult<Explanation> {
        let engine = self.engine(py)?;
        let request = Request::new(assertion, client_id, resource, scopes, authorization_details);
        let now = self.clock.now(py)?;
        Ok(Explanation(engine.explain(&request.with(&request.resources()), now)))
    }

    /// One of the three endpoints. Which arguments may be left out is said in Python.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Python method")]
    fn _answer(
        &self,
        py: Python<'_>,
        endpoint: &str,
        body: Cow<'_, [u8]>,
        method: Text<'_>,
        target: Text<'_>,
        headers: Headers,
        authorization: Option<Text<'_>>,
        dpop: Option<Text<'_>>,
        client_certificate: Option<Cow<'_, [u8]>>,
        peer: Option<Text<'_>>,
    ) -> PyResult<TokenResponse> {
        let answer: Answer = match endpoint {
            "token" => idjag::Exchange::handle,
            "revoke" => idjag::Exchange::handle_revocation,
            "introspect" => idjag::Exchange::handle_introspection,
            _ => return Err(PyTypeError::new_err("there is no such endpoint")),
        };
        let given =
            endpoint::Given { body, method, target, headers, authorization, dpop, client_certificate, peer };
        let engine = self.engine(py)?;
        Ok(TokenResponse(given.with(|request| self.deciding(py, || answer(engine, request)))))
    }

    /// The token endpoint up to where the record is waited for: a `TokenResponse`, or one that is to be finished.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Python method")]
    fn _begin_answer<'py>(
        &self,
        py: Python<'py>,
        body: Cow<'_, [u8]>,
        method: Text<'_>,
        target: Text<'_>,
        headers: Headers,
        authorization: Option<Text<'_>>,
        dpop: Option<Text<'_>>,
        client_certificate: Option<Cow<'_, [u8]>>,
        peer: Option<Text<'_>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let given =
            endpoint::Given { body, method, target, headers, authorization, dpop, client_certificate, peer };
        let engine = self.engine(py)?;
        let pending = given.with(|request| self.working(py, || engine.decide_request(request)));
        if let Some(receipt) = pending.receipt().filter(|receipt| self.waits_for(*receipt)) {
            return Ok(Bound::new(py, PendingResponse::new(receipt, pending))?.into_any());
        }
        Ok(Bound::new(py, TokenResponse(pending.finish()))?.into_any())
    }

    /// What tells an event loop when that can be finished.
    fn _watch(&self) -> PyResult<Watch> {
        let log = self.log.as_ref().ok_or_else(|| PyRuntimeError::new_err("there is no record"))?;
        Watch::new(log)
    }

    /// The metadata of the authorization server, as JSON (RFC 8414).
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.at_rest(py)?.metadata().as_bytes()))
    }

    /// The nonce for DPoP proofs, where the configuration asks for one: for the header `DPoP-Nonce`.
    fn dpop_nonce(&self, py: Python<'_>) -> PyResult<Option<String>> {
        Ok(self.engine(py)?.dpop_nonce())
    }

    /// Our public keys, as a JWK Set (RFC 7517).
    fn jwks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.at_rest(py)?.jwks().as_bytes()))
    }

    /// The metadata of a resource, as JSON (RFC 9728); `None` where no enabled connector serves it.
    fn protected_resource_metadata<'py>(
        &self,
        py: Python<'py>,
        resource: Text<'_>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let json = self.at_rest(py)?.protected_resource_metadata(resource.as_str());
        Ok(json.map(|json| PyBytes::new(py, json.as_bytes())))
    }

    /// The value of `WWW-Authenticate` for a request without a token, with an invalid one, or one of too few scopes.
    #[pyo3(signature = (resource, *, invalid_token = false, insufficient_scope = None))]
    fn challenge(
        &self,
        py: Python<'_>,
        resource: Text<'_>,
        invalid_token: bool,
        insufficient_scope: Option<Text<'_>>,
    ) -> PyResult<String> {
        let challenge = match &insufficient_scope {
            Some(scope) => idjag::Challenge::InsufficientScope(scope.as_str()),
            None if invalid_token => idjag::Challenge::Invalid,
            None => idjag::Challenge::Missing,
        };
        Ok(self.at_rest(py)?.challenge(resource.as_str(), challenge))
    }

    /// Replaces the keys of one IdP. Raises `ConfigError`, and those of before still hold.
    fn put_jwks(&self, py: Python<'_>, issuer: Text<'_>, jwks: Document) -> PyResult<()> {
        let (engine, issuer, jwks) = (self.at_rest(py)?, issuer.as_str(), &jwks.0);
        py.detach(|| self.fetcher.put_jwks(engine, issuer, jwks)).map_err(|error| errors::load(py, &error))
    }

    /// Replaces the directory: a mapping, the same as JSON, or CSV. Raises `ConfigError`, and the one of before still holds.
    #[pyo3(signature = (snapshot, *, name = None))]
    fn put_directory(&self, py: Python<'_>, snapshot: Document, name: Option<Text<'_>>) -> PyResult<()> {
        let (engine, text) = (self.at_rest(py)?, &snapshot.0);
        let name = name.as_ref().map_or("directory", Text::as_str);
        let is_json = text.trim_ascii_start().first() == Some(&b'{');
        let read = if is_json { Directory::from_json } else { Directory::from_csv };
        py.detach(|| read(name, text).map(|directory| engine.put_directory(directory)))
            .map_err(|error| errors::load(py, &error))
    }

    /// Replaces the policy by one in the form of `policy.toml`. Raises `ConfigError`, and the one of before still holds.
    #[pyo3(signature = (text, *, name = None))]
    fn put_policy(&self, py: Python<'_>, text: Document, name: Option<Text<'_>>) -> PyResult<()> {
        let engine = self.at_rest(py)?;
        let name = name.as_ref().map_or("policy", Text::as_str);
        let text = String::from_utf8(text.0)
            .map_err(|_| errors::config(py, &format!("`{name}` is not UTF-8"), None))?;
        py.detach(|| engine.put_policy(name, &text)).map_err(|error| errors::load(py, &error))
    }

    /// Replaces everything that a configuration names but the single-use store. Raises `ConfigError`, and the one of before
    /// still holds.
    fn reload(&self, py: Python<'_>, config: Given) -> PyResult<()> {
        let given = config;
        let (engine, config) = (self.engine(py)?, given.load(py, Config::parse)?);
        let alone = given.alone(py, &config, self.host_store.is_some())?;
        let settings = config.fetch_settings().clone();
        py.detach(|| engine.reload(config).map(|()| self.fetcher.renew(&settings)))
            .map_err(|error| errors::load(py, &error))?;
        self.alone().follow(alone);
        Ok(())
    }

    /// Revokes as of now: what was issued until now ends at the next `verify`, and new exchanges are refused.
    fn revoke(&self, py: Python<'_>, revocation: &Revocation) -> PyResult<()> {
        let engine = self.engine(py)?;
        py.detach(|| engine.revoke(&revocation.as_core())).map_err(|refusal| errors::refusal(py, refusal))
    }

    /// Lets new exchanges through again. What was revoked stays revoked.
    fn lift(&self, py: Python<'_>, revocation: &Revocation) -> PyResult<()> {
        let engine = self.engine(py)?;
        py.detach(|| engine.lift(&revocation.as_core())).map_err(|refusal| errors::refusal(py, refusal))
    }

    /// The URL that the configuration keeps free for an authorization endpoint.
    #[getter]
    fn authorization_endpoint(&self, py: Python<'_>) -> PyResult<String> {
        Ok(self.at_rest(py)?.authorization_endpoint())
    }

    /// Whether a request may have to wait: for the host, which fetches a document, for keys, or for the store.
    #[getter]
    fn _may_wait(&self) -> bool {
        let asks_host = self.documents.is_some() || self.host_store.is_some() || self.host_record.is_some();
        self.is_remote || asks_host || self.engine.fetches()
    }

    /// Whether an answer may have to wait for a disk.
    #[getter]
    fn _keeps_record(&self) -> bool {
        self.log.is_some()
    }

    /// How many bytes the body of a request may have.
    #[getter]
    fn max_body_bytes(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.at_rest(py)?.max_body_bytes())
    }

    /// Counters, sizes, and the state of the keys that are fetched.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.at_rest(py)?.stats();
        let replay = PyDict::new(py);
        replay.set_item("entries", stats.replay.entries)?;
        replay.set_item("bytes", stats.replay.bytes)?;
        replay.set_item("max_bytes", stats.replay.max_bytes)?;
        let all = PyDict::new(py);
        all.set_item("granted", stats.granted)?;
        all.set_item("refused", stats.refused)?;
        all.set_item("limited", stats.limited)?;
        all.set_item("people", stats.people)?;
        all.set_item("policy_digest", stats.policy_digest)?;
        all.set_item("generation", stats.generation)?;
        all.set_item("replay", replay)?;
        all.set_item("keys", fetching::states(py, &py.detach(|| self.fetcher.sources()))?)?;
        Ok(all)
    }

    /// What the configuration allows and still deserves a look.
    #[getter]
    fn warnings(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let mut warnings = self.at_rest(py)?.warnings();
        warnings.extend(self.alone().warning().map(str::to_owned));
        Ok(warnings)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.engine)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.clock.traverse(&visit)?;
        self.documents.as_ref().map_or(Ok(()), |documents| documents.traverse(&visit))?;
        self.host_store.as_ref().map_or(Ok(()), |store| store.traverse(&visit))?;
        self.host_record.as_ref().map_or(Ok(()), |record| record.traverse(&visit))
    }
}

impl Exchange {
    /// What is known of other processes. Whole at any time.
    fn alone(&self) -> MutexGuard<'_, Alone> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what `receipt` stands for has to be waited for.
    fn waits_for(&self, receipt: Receipt) -> bool {
        self.log.as_ref().is_some_and(|log| log.settled() < receipt)
    }

    /// Does `work`, and lets others have the interpreter meanwhile where it may wait for another host.
    fn working<R: Send>(&self, py: Python<'_>, work: impl FnOnce() -> R + Send) -> R {
        if self.is_remote { py.detach(work) } else { work() }
    }

    /// The same of what also waits for the record.
    fn deciding<R: Send>(&self, py: Python<'_>, work: impl FnOnce() -> R + Send) -> R {
        if self.is_remote || self.log.is_some() { py.detach(work) } else { work() }
    }

    /// The engine, its clock asked for the call that follows.
    fn engine(&self, py: Python<'_>) -> PyResult<&idjag::Exchange> {
        self.process.check(py)?;
        self.clock.ask(py)?;
        Ok(&self.engine)
    }

    /// The engine for what does not depend on the time.
    fn at_rest(&self, py: Python<'_>) -> PyResult<&idjag::Exchange> {
        self.process.check(py)?;
        Ok(&self.engine)
    }
}
