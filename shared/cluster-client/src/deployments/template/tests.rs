use serde_json::{Value, json};

use super::*;

/// A template with `more` in the specification of its pod.
fn template(more: Value) -> Value {
    let mut spec = json!({"containers": [{"name": "web", "image": "nginx:1"}]});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"metadata": {"labels": {"component": "web"}}, "spec": spec})
}

/// A template whose container says `more`.
fn container(more: Value) -> Value {
    let mut container = json!({"name": "web", "image": "nginx:1"});
    container
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    template(json!({"containers": [container]}))
}

fn refusal(value: &Value) -> String {
    let refused = PodTemplate::read(value, true).err();
    refused.unwrap_or_else(|| panic!("{value} is let in")).to_string()
}

fn pod_of(template: &PodTemplate, given: &Given) -> Value {
    serde_json::to_value(template.filled("web", given)).unwrap()
}

#[test]
fn a_wrong_type_is_told_with_its_path() {
    for (value, path) in [
        (container(json!({"image": 5})), "spec.containers[0].image: invalid type"),
        (
            container(json!({"ports": {"containerPort": 80}})),
            "spec.containers[0].ports: invalid type",
        ),
        (
            container(json!({"ports": [{"containerPort": "80"}]})),
            "spec.containers[0].ports[0].containerPort: invalid",
        ),
        (
            json!({"metadata": {"labels": {"a": 1}}}),
            "metadata.labels.a: invalid type",
        ),
        (json!("text"), "the pod template cannot be read: invalid type"),
        (json!(null), "the pod template cannot be read: invalid type"),
    ] {
        let told = refusal(&value);
        assert!(told.contains(path), "{told}");
        assert!(matches!(PodTemplate::read(&value, true), Err(Refusal::Malformed(_))));
    }
}

#[test]
fn a_template_without_containers_is_refused() {
    for value in [
        json!({}),
        json!({"spec": {}}),
        template(json!({"containers": []})),
        json!({"template": {"spec": {}}}),
    ] {
        assert!(
            refusal(&value).contains("spec.containers: there is none"),
            "{}",
            refusal(&value)
        );
    }
}

#[test]
fn what_breaks_out_of_a_pod_is_refused_with_its_path() {
    for (value, path) in [
        (template(json!({"hostNetwork": true})), "spec.hostNetwork"),
        (template(json!({"hostPID": true})), "spec.hostPID"),
        (template(json!({"hostIPC": true})), "spec.hostIPC"),
        (template(json!({"nodeName": "n1"})), "spec.nodeName"),
        (
            template(json!({"serviceAccountName": "admin"})),
            "spec.serviceAccountName",
        ),
        (template(json!({"serviceAccount": "admin"})), "spec.serviceAccount"),
        (
            template(json!({"automountServiceAccountToken": true})),
            "spec.automountServiceAccountToken",
        ),
        (
            template(json!({"ephemeralContainers": [{"name": "e"}]})),
            "spec.ephemeralContainers",
        ),
        (
            template(json!({"volumes": [{"name": "a"}, {"name": "v", "hostPath": {"path": "/"}}]})),
            "spec.volumes[1].hostPath",
        ),
        (
            template(json!({"volumes": [{"name": "v", "projected": {"sources": [
                {"configMap": {"name": "c"}}, {"serviceAccountToken": {"path": "t"}}]}}]})),
            "spec.volumes[0].projected.sources[1].serviceAccountToken",
        ),
        (
            template(json!({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}})),
            "spec.securityContext.sysctls[0]",
        ),
    ] {
        assert!(refusal(&value).contains(&format!(" {path}: ")), "{}", refusal(&value));
    }
}

#[test]
fn what_breaks_out_of_a_container_is_refused_wherever_it_stands() {
    let context = |context: Value| json!({ "securityContext": context });
    let probe = |what: Value| json!({ "livenessProbe": what });
    for (bad, path) in [
        (
            json!({"ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 81}]}),
            "ports[1].hostPort",
        ),
        (
            context(json!({"capabilities": {"add": ["NET_BIND_SERVICE"]}})),
            "securityContext.capabilities.add",
        ),
        (context(json!({"procMount": "Unmasked"})), "securityContext.procMount"),
        (
            context(json!({"seLinuxOptions": {"type": "spc_t"}})),
            "securityContext.seLinuxOptions",
        ),
        (
            context(json!({"seLinuxOptions": {"user": "root"}})),
            "securityContext.seLinuxOptions",
        ),
        (
            context(json!({"seccompProfile": {"type": "Unconfined"}})),
            "securityContext.seccompProfile.type",
        ),
        (
            context(json!({"appArmorProfile": {"type": "Unconfined"}})),
            "securityContext.appArmorProfile.type",
        ),
        (
            context(json!({"windowsOptions": {"hostProcess": true}})),
            "securityContext.windowsOptions.hostProcess",
        ),
        (
            probe(json!({"httpGet": {"host": "10.0.0.1", "port": 80}})),
            "livenessProbe",
        ),
        (
            probe(json!({"tcpSocket": {"host": "10.0.0.1", "port": 80}})),
            "livenessProbe",
        ),
        (
            json!({"lifecycle": {"preStop": {"httpGet": {"host": "10.0.0.1", "port": 80}}}}),
            "lifecycle.preStop",
        ),
    ] {
        let mut container = json!({"name": "c", "image": "i"});
        container
            .as_object_mut()
            .unwrap()
            .extend(bad.as_object().unwrap().clone());
        let second = json!({"containers": [{"name": "web"}, container]});
        let told = refusal(&template(second));
        assert!(told.contains(&format!(" spec.containers[1].{path}: ")), "{told}");
        let told = refusal(&template(json!({"initContainers": [container]})));
        assert!(told.contains(&format!(" spec.initContainers[0].{path}: ")), "{told}");
    }
}

#[test]
fn what_a_pod_says_for_all_its_containers_is_refused_too() {
    for (bad, path) in [
        (json!({"seLinuxOptions": {"role": "r"}}), "seLinuxOptions"),
        (json!({"seccompProfile": {"type": "Unconfined"}}), "seccompProfile.type"),
        (
            json!({"appArmorProfile": {"type": "Unconfined"}}),
            "appArmorProfile.type",
        ),
        (
            json!({"windowsOptions": {"hostProcess": true}}),
            "windowsOptions.hostProcess",
        ),
    ] {
        let told = refusal(&template(json!({ "securityContext": bad })));
        assert!(told.contains(&format!(" spec.securityContext.{path}: ")), "{told}");
    }
}

#[test]
fn what_is_laybys_own_or_keeps_pods_from_going_is_refused() {
    for (metadata, path) in [
        (
            json!({"labels": {"layby.dev/shard": "1"}}),
            "metadata.labels[layby.dev/shard]",
        ),
        (
            json!({"annotations": {"layby.dev/given": "{}"}}),
            "metadata.annotations[layby.dev/given]",
        ),
        (json!({"finalizers": ["x.io/never"]}), "metadata.finalizers"),
        (
            json!({"annotations": {"container.apparmor.security.beta.kubernetes.io/web": "unconfined"}}),
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/web]",
        ),
    ] {
        let mut value = template(json!({}));
        value["metadata"] = metadata;
        assert!(refusal(&value).contains(path), "{}", refusal(&value));
    }
}

#[test]
fn what_baseline_allows_is_let_in() {
    let value = json!({
        "metadata": {"name": "ignored", "labels": {"component": "web", "app": "x"}, "annotations": {"publicPaths": "80:/"}},
        "spec": {
            "serviceAccountName": "default", "serviceAccount": "default", "automountServiceAccountToken": false,
            "hostNetwork": false, "nodeName": "", "ephemeralContainers": [],
            "volumes": [{"name": "e", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "routing"}}],
            "securityContext": {
                "sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}], "seLinuxOptions": {"type": "container_t"},
                "seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 0,
            },
            "initContainers": [{"name": "i", "image": "i"}],
            "containers": [
                {"name": "web", "image": "nginx:1", "ports": [{"containerPort": 80, "hostPort": 0}],
                    "securityContext": {"capabilities": {"drop": ["ALL"], "add": []}, "procMount": "Default"},
                    "livenessProbe": {"httpGet": {"host": "", "port": 80}}},
                {"name": "side", "image": "s", "unknownToKubernetes": true},
            ],
        },
    });
    let template = PodTemplate::read(&value, false).unwrap();
    let pod = pod_of(&template, &Given::default());
    assert_eq!(
        pod["metadata"],
        json!({
            "labels": {"component": "web", "app": "x", "routable": "true", "runtime": "shipyard"},
            "annotations": {"publicPaths": "80:/"},
        })
    );
    assert_eq!(pod["spec"]["containers"][1], json!({"name": "side", "image": "s"}));
}

#[test]
fn containers_are_made_unprivileged_unless_that_is_allowed() {
    let privileged = json!({"privileged": true});
    let value = template(json!({
        "containers": [{"name": "a", "securityContext": privileged}, {"name": "b"}, {"name": "c", "securityContext": {}}],
        "initContainers": [{"name": "i", "securityContext": privileged}],
    }));
    for (allowed, own, plain) in [(false, json!(false), json!(false)), (true, json!(true), Value::Null)] {
        let pod = pod_of(&PodTemplate::read(&value, allowed).unwrap(), &Given::default());
        let of = |container: &Value| container["securityContext"]["privileged"].clone();
        assert_eq!(of(&pod["spec"]["containers"][0]), own);
        assert_eq!(of(&pod["spec"]["initContainers"][0]), own);
        assert_eq!(pod["spec"]["containers"][1], json!({"name": "b"}));
        assert_eq!(of(&pod["spec"]["containers"][2]), plain);
    }
}

#[test]
fn no_pod_gets_a_token_of_a_service_account() {
    let template = PodTemplate::read(&template(json!({})), true).unwrap();
    assert_eq!(
        pod_of(&template, &Given::default())["spec"]["automountServiceAccountToken"],
        false
    );
}

#[test]
fn labels_of_the_router_are_set_whatever_the_template_says() {
    let mut value = template(json!({}));
    value["metadata"]["labels"] = json!({"routable": "false", "runtime": "mine"});
    let pod = pod_of(&PodTemplate::read(&value, true).unwrap(), &Given::default());
    let expected = json!({"routable": "true", "runtime": "shipyard", "component": "web"});
    assert_eq!(pod["metadata"]["labels"], expected);
}

#[test]
fn what_is_given_goes_over_what_the_template_says() {
    let mut value = container(json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}));
    value["metadata"]["annotations"] = json!({"publicHosts": "old.example", "privateHosts": "kept.example"});
    let from = json!({"secretKeyRef": {"name": "s", "key": "k"}});
    let variables = json!([
        {"name": "B", "valueFrom": from}, {"name": "C", "value": "3"}, {"name": "C", "value": "4"},
    ]);
    let hosts_given = Some("new.example  other.example".to_owned());
    let given = Given::read(hosts_given, None, Some(&variables)).unwrap();
    let filled = PodTemplate::read(&value, true).unwrap().filled("web", &given);
    assert_eq!(hosts(&filled), ["new.example", "other.example", "kept.example"]);
    let pod = serde_json::to_value(filled).unwrap();
    assert_eq!(
        pod["spec"]["containers"][0]["env"],
        json!([{"name": "A", "value": "1"}, {"name": "B", "valueFrom": from}, {"name": "C", "value": "4"}])
    );
}

#[test]
fn variables_are_read_strictly() {
    for (bad, told) in [
        (
            json!([{"name": "A", "value": 5}]),
            "'envVars' cannot be read: [0].value: invalid type",
        ),
        (json!({"A": "1"}), "'envVars' cannot be read: invalid type"),
        (
            json!([{"name": "A"}, {"value": "x"}]),
            "'envVars' cannot be read: [1].name: a variable has a name",
        ),
    ] {
        let refused = Given::read(None, None, Some(&bad)).err().unwrap().to_string();
        assert!(refused.starts_with(told), "{refused}");
    }
}

#[test]
fn a_number_is_a_quantity_as_it_is_for_kubernetes() {
    let value = container(json!({"resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": 0.5}}}));
    let pod = pod_of(&PodTemplate::read(&value, true).unwrap(), &Given::default());
    let expected = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}});
    assert_eq!(pod["spec"]["containers"][0]["resources"], expected);
}

#[test]
fn a_component_is_a_labels_value() {
    let mut value = template(json!({}));
    value["metadata"]["labels"]["component"] = json!("a b,c=d");
    assert!(
        refusal(&value).contains("metadata.labels.component"),
        "{}",
        refusal(&value)
    );
    value["metadata"]["labels"]["component"] = json!("");
    assert_eq!(PodTemplate::read(&value, true).unwrap().component(), None);
}
