//! The resources of each endpoint in the SAM template: function, role, log group and alarm.

use std::fmt::Write;

use api::{ENDPOINTS, Endpoint, Trigger};

use super::{index_patterns, pascal_case, pattern, table_needs};

/// Seconds that a scheduled function may take. It stops by itself 10 s before.
const SCHEDULED_TIMEOUT: u32 = 300;
/// Seconds after which a scheduled event that could not be delivered is given up: the next one does its work.
const EVENT_AGE_MAX: u32 = 60;

/// The resources of all endpoints.
pub fn resources() -> String {
    let stanzas: Vec<String> = ENDPOINTS.iter().map(|endpoint| stanza(endpoint)).collect();
    stanzas.join("\n")
}

/// The outputs with the roles of the functions that ask something of a home cluster.
pub fn outputs() -> String {
    let mut text = String::new();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| !endpoint.needs.cluster.is_empty()) {
        let (name, id) = (pascal_case(endpoint.id), endpoint.id);
        let _ = write!(
            text,
            "  {name}Role:\n    \
               Description: Role of {id}, whose access entry in the cluster has the group layby:{id}\n    \
               Value: !GetAtt {name}Role.Arn\n"
        );
    }
    text
}

fn stanza(endpoint: &Endpoint) -> String {
    [function(endpoint), role(endpoint), logs(endpoint), alarm(endpoint)].concat()
}

fn function(endpoint: &Endpoint) -> String {
    let (name, id, summary) = (pascal_case(endpoint.id), endpoint.id, endpoint.summary);
    let mut text = format!(
        "  {name}Function:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub ${{AWS::StackName}}-{id}
      Description: \"{summary}\"
      CodeUri: ../target/lambda/{id}/
      Role: !GetAtt {name}Role.Arn
      LoggingConfig:
        LogGroup: !Ref {name}Logs
"
    );
    if !endpoint.needs.secrets.is_empty() {
        text.push_str(
            "      Environment:
        Variables:
          LAYBY_SECRETS_ARN: !Ref SecretArn
",
        );
    }
    text.push_str(&events(endpoint));
    text
}

fn events(endpoint: &Endpoint) -> String {
    match endpoint.trigger {
        Trigger::Http { method, paths } => {
            let mut text = "      Events:\n".to_owned();
            for (path, number) in paths.iter().zip(1..) {
                let _ = write!(
                    text,
                    "        Route{number}:
          Type: HttpApi
          Properties:
            ApiId: !Ref Api
            Method: {}
            Path: {path}
",
                    method.as_str()
                );
            }
            text
        }
        // An HttpApi event without method and path is the route `$default`.
        Trigger::Default => "      Events:
        Default:
          Type: HttpApi
          Properties:
            ApiId: !Ref Api
"
        .to_owned(),
        Trigger::Schedule { minutes } => {
            let unit = if minutes == 1 { "minute" } else { "minutes" };
            format!(
                "      Timeout: {SCHEDULED_TIMEOUT}
      EventInvokeConfig:
        MaximumEventAgeInSeconds: {EVENT_AGE_MAX}
        MaximumRetryAttempts: 0
      Events:
        Schedule:
          Type: Schedule
          Properties:
            Schedule: rate({minutes} {unit})
            RetryPolicy:
              MaximumEventAgeInSeconds: {EVENT_AGE_MAX}
              MaximumRetryAttempts: 0
"
            )
        }
    }
}

fn role(endpoint: &Endpoint) -> String {
    let name = pascal_case(endpoint.id);
    let mut text = format!(
        "  {name}Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: \"2012-10-17\"
        Statement:
          - Effect: Allow
            Action: sts:AssumeRole
            Principal:
              Service: lambda.amazonaws.com
      ManagedPolicyArns: !If [InVpc, [!Ref NetworkInterfaces], !Ref AWS::NoValue]
      Policies:
        - PolicyName: needs
          PolicyDocument:
            Version: \"2012-10-17\"
            Statement:
              - Sid: Logs
                Effect: Allow
                Action: [logs:CreateLogStream, logs:PutLogEvents]
                Resource: !GetAtt {name}Logs.Arn
"
    );
    for need in table_needs(endpoint) {
        let actions: Vec<&str> = need.actions.iter().map(|action| action.as_str()).collect();
        text.push_str(&rows(
            "Rows",
            need.prefix,
            &actions,
            "!GetAtt Table.Arn",
            &[pattern(need.prefix)],
        ));
    }
    for index in endpoint.needs.indexes {
        let index_name = index.as_str();
        let patterns: Vec<String> = index_patterns(endpoint, *index)
            .into_iter()
            .map(str::to_owned)
            .collect();
        assert!(
            !patterns.is_empty(),
            "{} names an index without rows to read in it",
            endpoint.id
        );
        let arn = format!("!Sub ${{Table.Arn}}/index/{index_name}");
        text.push_str(&rows("Index", index_name, &["Query"], &arn, &patterns));
    }
    if !endpoint.needs.secrets.is_empty() {
        text.push_str(
            "              - Sid: Secrets
                Effect: Allow
                Action: secretsmanager:GetSecretValue
                Resource: !Ref SecretArn
",
        );
    }
    text
}

/// A statement that allows `actions` on rows whose partition keys match one of `patterns`. `ForAllValues` alone holds
/// for a request that names no key at all; `Null` refuses that one.
fn rows(kind: &str, of: &str, actions: &[&str], arn: &str, patterns: &[String]) -> String {
    let of: String = of.chars().filter(char::is_ascii_alphanumeric).collect();
    let of = pascal_case(&of.to_lowercase());
    let actions: Vec<String> = actions.iter().map(|action| format!("dynamodb:{action}")).collect();
    let patterns: Vec<String> = patterns.iter().map(|pattern| format!("\"{pattern}\"")).collect();
    format!(
        "              - Sid: {kind}{of}
                Effect: Allow
                Action: [{}]
                Resource: {arn}
                Condition:
                  ForAllValues:StringLike:
                    dynamodb:LeadingKeys: [{}]
                  \"Null\":
                    dynamodb:LeadingKeys: \"false\"
",
        actions.join(", "),
        patterns.join(", ")
    )
}

fn logs(endpoint: &Endpoint) -> String {
    let (name, id) = (pascal_case(endpoint.id), endpoint.id);
    format!(
        "  {name}Logs:
    Type: AWS::Logs::LogGroup
    UpdateReplacePolicy: Delete
    DeletionPolicy: Delete
    Properties:
      LogGroupName: !Sub /aws/lambda/${{AWS::StackName}}-{id}
      RetentionInDays: !Ref LogRetentionDays
"
    )
}

fn alarm(endpoint: &Endpoint) -> String {
    let (name, id) = (pascal_case(endpoint.id), endpoint.id);
    format!(
        "  {name}Errors:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: !Sub {id} of layby ${{Installation}} crashed or ran out of time.
      Namespace: AWS/Lambda
      MetricName: Errors
      Dimensions:
        - {{Name: FunctionName, Value: !Ref {name}Function}}
      Statistic: Sum
      Period: 300
      EvaluationPeriods: 1
      Threshold: 0
      ComparisonOperator: GreaterThanThreshold
      TreatMissingData: notBreaching
      AlarmActions: !If [Notifies, [!Ref AlarmTopic], !Ref AWS::NoValue]
      OKActions: !If [Notifies, [!Ref AlarmTopic], !Ref AWS::NoValue]
"
    )
}
