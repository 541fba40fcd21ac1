//! Where templates come from: the table, or an external registry that an operator keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::Code;
use bytes::Bytes;
use domain::limits::{REGISTRY_ANSWER_MAX, REGISTRY_SPAN};
use domain::{Pool, Template, TemplateName};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode, Uri};
use net::{Fetch, FetchRules, Net};
use store::Store;
use thiserror::Error;

use crate::{ConfigError, Problem};

/// Finds the template of a launch. Cheap to clone.
#[derive(Clone)]
pub struct Templates(Source);

#[derive(Clone)]
enum Source {
    Table(Store),
    Registry(Arc<Registry>),
}

/// An external registry: `GET <url>/templates/<name>` with its key as the whole `Authorization`, as the older service
/// asked.
struct Registry {
    fetch: Fetch,
    /// Without a slash at its end.
    url: String,
    key: Option<HeaderValue>,
}

/// Why there is no template to launch.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// There is none of this name, or what the registry has is none.
    #[error("there is no template to launch")]
    Missing {
        /// The name that was asked for.
        name: TemplateName,
        /// What is wrong with the registry's answer, in words for whoever launches.
        why: Option<String>,
        /// Whether there certainly is none: an answer that makes no sense does not say so.
        is_certain: bool,
    },
    /// The registry did not answer in time.
    #[error("the template registry is out of reach")]
    Unreachable(#[source] net::Error),
    /// The table failed.
    #[error("the table failed")]
    Store(#[from] store::Error),
}

impl Templates {
    /// Templates out of the table.
    pub(crate) fn of_table(store: Store) -> Self {
        Self(Source::Table(store))
    }

    /// Templates out of the registry at `url`, which wants `key` unless that is empty. Where it is, is the operator's
    /// own choice, so that its address may be an inward one.
    ///
    /// # Errors
    /// [`ConfigError`] when no header can carry the key.
    pub(crate) fn of_registry(net: &Net, url: &Uri, key: &str) -> Result<Self, ConfigError> {
        let fetch = net
            .fetch(FetchRules {
                span: REGISTRY_SPAN,
                largest_body: REGISTRY_ANSWER_MAX,
                exempt_hosts: BTreeSet::from([url.host().unwrap_or_default().to_owned()]),
                pins: BTreeMap::new(),
                extra_ca_pem: None,
            })
            .map_err(|error| ConfigError::Client(format!("template registry: {error}")))?;
        let mut key = HeaderValue::try_from(key)
            .map_err(|_| ConfigError::Secrets("'registry_key' has characters that no header can carry".into()))?;
        key.set_sensitive(true);
        Ok(Self(Source::Registry(Arc::new(Registry {
            fetch,
            url: url.to_string().trim_end_matches('/').to_owned(),
            key: (!key.is_empty()).then_some(key),
        }))))
    }

    /// The template of this `name`, ready to be launched.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub async fn find(&self, name: &TemplateName) -> Result<Template, TemplateError> {
        match &self.0 {
            Source::Table(store) => store.template(name).await?.ok_or_else(|| missing(name, None)),
            Source::Registry(registry) => registry.find(name).await,
        }
    }

    /// The template of this `name` and its pool, if it has one, which is in the table of `store` wherever the template
    /// is.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub async fn find_with_pool(
        &self,
        store: &Store,
        name: &TemplateName,
    ) -> Result<(Template, Option<Pool>), TemplateError> {
        let (template, pool) = match &self.0 {
            Source::Table(store) => {
                let (template, pool) = store.template_and_pool(name).await?;
                (template.ok_or_else(|| missing(name, None))?, pool)
            }
            Source::Registry(registry) => {
                let pool = async { Ok(store.pool(name).await?) };
                futures::try_join!(registry.find(name), pool)?
            }
        };
        Ok((template, pool.map(|row| row.value)))
    }
}

impl Registry {
    async fn find(&self, name: &TemplateName) -> Result<Template, TemplateError> {
        let mut request = Request::get(format!("{}/templates/{name}", self.url)).header(ACCEPT, "application/json");
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        let wrong = |why: String| missing(name, Some(why));
        let request = request
            .body(Bytes::new())
            .map_err(|_| wrong("its address makes no URL".to_owned()))?;
        let answer = match self.fetch.send(request).await {
            Ok(answer) => answer,
            Err(error @ net::Error::TooLarge) => return Err(wrong(error.to_string())),
            Err(error) => return Err(TemplateError::Unreachable(error)),
        };
        match answer.status() {
            StatusCode::OK => {}
            status => {
                return Err(TemplateError::Missing {
                    name: name.clone(),
                    why: Some(format!("it answered {}", status.as_u16())),
                    is_certain: status == StatusCode::NOT_FOUND,
                });
            }
        }
        Template::of_registry(name, answer.body()).map_err(|refusal| wrong(refusal.to_string()))
    }
}

fn missing(name: &TemplateName, why: Option<String>) -> TemplateError {
    TemplateError::Missing {
        name: name.clone(),
        is_certain: why.is_none(),
        why,
    }
}

impl From<TemplateError> for Problem {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::Missing { name, why, .. } => Self::registry_error(&name, why.as_deref()),
            TemplateError::Unreachable(_) => Self::new(
                Code::RegistryUnreachable,
                "The template registry cannot be reached or did not answer in time; try again shortly",
            )
            .because(error),
            TemplateError::Store(error) => error.into(),
        }
    }
}
