//! The bearer token of a cluster of EKS: a presigned question to STS who one is, which the cluster asks on.
//!
//! The form is that of `aws eks get-token`
//! (<https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster>).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Mutex;

use crate::Token;
use crate::error::Source;
use crate::token::TokenError;

const PREFIX: &str = "k8s-aws-v1.";
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// What the presigned URL says of its own life. EKS takes the token for 15 minutes from its date all the same.
const URL_LIFE: Duration = Duration::from_secs(60);
/// How long a token is used: well below the 15 minutes for which EKS takes it.
const TOKEN_LIFE: Duration = Duration::from_secs(10 * 60);

/// Makes the tokens of one EKS cluster. Clones share the token that is in use.
#[derive(Clone)]
pub struct EksToken(Arc<Maker>);

struct Maker {
    cluster: String,
    region: String,
    credentials: SharedCredentialsProvider,
    // Held while a token is made, so that many requests at once make one.
    in_use: Mutex<Option<Made>>,
}

struct Made {
    token: Token,
    made_at: SystemTime,
    good_until: SystemTime,
}

impl Made {
    /// A clock that was set back makes the token's age unknown: a new one is made.
    fn is_good_at(&self, now: SystemTime) -> bool {
        self.made_at <= now && now < self.good_until
    }
}

impl EksToken {
    /// Tokens for the cluster that EKS knows as `cluster` in `region`, signed with what `credentials` gives.
    pub fn new(cluster: &str, region: &str, credentials: SharedCredentialsProvider) -> Self {
        EksToken(Arc::new(Maker {
            cluster: cluster.to_owned(),
            region: region.to_owned(),
            credentials,
            in_use: Mutex::new(None),
        }))
    }

    /// The token to use now.
    pub(crate) async fn token(&self) -> Result<Token, TokenError> {
        self.token_at(clock()).await
    }

    async fn token_at(&self, now: SystemTime) -> Result<Token, TokenError> {
        let mut in_use = self.0.in_use.lock().await;
        if let Some(made) = in_use.as_ref().filter(|made| made.is_good_at(now)) {
            return Ok(made.token.clone());
        }
        let credentials = self
            .0
            .credentials
            .provide_credentials()
            .await
            .map_err(TokenError::Credentials)?;
        let credentials_end = credentials.expiry().unwrap_or(now + TOKEN_LIFE);
        let token =
            Token::new(presign(&self.0.cluster, &self.0.region, credentials, now).map_err(TokenError::Signing)?);
        *in_use = Some(Made {
            token: token.clone(),
            made_at: now,
            good_until: credentials_end.min(now + TOKEN_LIFE),
        });
        Ok(token)
    }
}

impl fmt::Debug for EksToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EksToken")
            .field("cluster", &self.0.cluster)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a signature carries the mechanical time, which is never wound"
)]
fn clock() -> SystemTime {
    jiff::Timestamp::now().into()
}

fn presign(cluster: &str, region: &str, credentials: Credentials, at: SystemTime) -> Result<String, Source> {
    let url = format!(
        "https://{}/?Action=GetCallerIdentity&Version=2011-06-15",
        sts_host(region)
    );
    let identity: Identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(URL_LIFE);
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(at)
        .settings(settings)
        .build()?
        .into();
    let headers = [(CLUSTER_HEADER, cluster)].into_iter();
    let signable = SignableRequest::new("GET", url.as_str(), headers, SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(signable, &parameters)?.into_parts();
    let mut request = http::Request::get(url).body(())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(request.uri().to_string())))
}

/// The regional endpoint: the global one is not there for every partition.
fn sts_host(region: &str) -> String {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("sts.{region}.{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        text.parse::<jiff::Timestamp>().unwrap().into()
    }

    fn credentials(session: Option<&str>, expiry: Option<SystemTime>) -> Credentials {
        Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            session.map(str::to_owned),
            expiry,
            "test",
        )
    }

    fn url_of(token: &str) -> String {
        let encoded = token.strip_prefix(PREFIX).unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
    }

    fn parameter(url: &str, name: &str) -> String {
        let query = url.split_once('?').unwrap().1;
        let pair = query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair.unwrap_or_default().to_owned()
    }

    /// The expected signatures were computed apart from any AWS library, with Python's `hmac` and `hashlib`, from the
    /// description of Signature Version 4.
    #[test]
    fn a_token_is_signed_as_signature_version_4_says() {
        let day = at("2026-11-21T10:00:00Z");
        let long_lived = url_of(&presign("my-cluster", "eu-central-1", credentials(None, None), day).unwrap());
        assert!(
            long_lived
                .starts_with("https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&")
        );
        assert_eq!(parameter(&long_lived, "X-Amz-Expires"), "60");
        assert_eq!(parameter(&long_lived, "X-Amz-Date"), "20261121T100000Z");
        assert_eq!(parameter(&long_lived, "X-Amz-SignedHeaders"), "host%3Bx-k8s-aws-id");
        assert_eq!(
            parameter(&long_lived, "X-Amz-Signature"),
            "3f5ef258c8de815214b2c27f6552bbafae37ff0f93d1c2ff23efd41f3fbc98a5"
        );
        let session = credentials(Some("tok/en+=="), None);
        let passing = url_of(&presign("my-cluster", "cn-north-1", session, day).unwrap());
        assert!(passing.starts_with("https://sts.cn-north-1.amazonaws.com.cn/?"));
        assert_eq!(parameter(&passing, "X-Amz-Security-Token"), "tok%2Fen%2B%3D%3D");
        assert_eq!(
            parameter(&passing, "X-Amz-Signature"),
            "19930301ae3fa32822f19a4d300dcc1acee69a6854219d4e39fbc00a6a7d77e5"
        );
    }

    #[tokio::test]
    async fn a_token_is_used_for_ten_minutes_and_no_longer_than_its_credentials() {
        let start = at("2026-11-21T10:00:00Z");
        let minutes = |n: u64| start + Duration::from_secs(60 * n);
        let date =
            async |eks: &EksToken, now| parameter(&url_of(eks.token_at(now).await.unwrap().text()), "X-Amz-Date");
        for (expiry, good, over) in [(None, 9, 10), (Some(minutes(4)), 3, 4), (Some(minutes(60)), 9, 10)] {
            let provider = SharedCredentialsProvider::new(credentials(None, expiry));
            let eks = EksToken::new("c", "eu-central-1", provider);
            let first = date(&eks, start).await;
            assert_eq!(date(&eks.clone(), minutes(good)).await, first);
            assert_ne!(date(&eks, minutes(over)).await, first);
        }
        let eks = EksToken::new(
            "c",
            "eu-central-1",
            SharedCredentialsProvider::new(credentials(None, None)),
        );
        let first = date(&eks, start).await;
        assert_ne!(date(&eks, start - Duration::from_secs(60)).await, first);
    }

    #[test]
    fn neither_the_maker_nor_its_tokens_show_a_secret() {
        let eks = EksToken::new(
            "c",
            "eu-central-1",
            SharedCredentialsProvider::new(credentials(Some("sess"), None)),
        );
        let shown = format!("{eks:?}");
        assert!(
            shown.contains("eu-central-1") && !shown.contains("wJalr") && !shown.contains("sess"),
            "{shown}"
        );
    }
}
