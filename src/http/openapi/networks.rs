//! Stored networks in the document.

use serde_json::{Map, Value, json};

use super::{add_problems, part};

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

const EXAMPLE: &str = r#"{"network": {"inputs": {"x": [2]}, "layers": [{"id": "fc", "op": "linear", "out_features": 1}]}, "parameters": {"fc.weight": [[0.5, -0.25]], "fc.bias": [0.1]}}"#;

/// Complete the routes, which utoipa knows by name alone.
pub(super) fn document(paths: &mut Value) {
    let put = &mut paths["/v1/networks"]["put"];
    let example: Value = serde_json::from_str(EXAMPLE).expect("the example is JSON");
    put["summary"] = json!("Keep a network with its parameters.");
    put["description"] = json!(
        "Read and checked as `/v1/validate` does, priced for one sample, and kept under the SHA-256 of the body: a problem may then say `\"network\": {\"ref\": \"sha256:…\"}`, with other values for some parameters in its own `parameters`, and is answered as if it carried the network. Putting it again changes nothing. The service forgets what was used longest ago when its memory for networks is full; such a problem is answered 404 with the code `unknown_network`, and the client puts the network again. With a store (`--store`), replicas share their networks and forget none."
    );
    put["requestBody"] = json!({ "required": true, "content": {
        "application/json": { "schema": reference("StoredNetwork"), "examples": { "linear": { "summary": "one layer", "value": example } } },
        "multipart/form-data": {
            "schema": { "type": "object", "required": ["problem"], "properties": {
                "problem": reference("StoredNetwork"), "parameters": part("safetensors: parameters by name."),
            } },
            "encoding": { "problem": { "contentType": "application/json" } },
        },
    } });
    let location = json!({ "Location": { "description": "`/v1/networks/{ref}`", "schema": { "type": "string" } } });
    let summary = json!({ "application/json": { "schema": reference("NetworkSummary") } });
    let kept = |description: &str| json!({ "description": description, "content": summary, "headers": location });
    put["responses"] = json!({ "200": kept("It was stored before."), "201": kept("It is stored now.") });
    add_problems(&mut put["responses"], &[400, 401, 403, 406, 408, 413, 415, 422, 429, 500, 503, 504]);

    let get = &mut paths["/v1/networks/{ref}"]["get"];
    get["responses"] = json!({ "200": { "description": "It is stored.", "content": summary } });
    add_problems(&mut get["responses"], &[401, 403, 404, 429, 500, 503, 504]);

    let delete = &mut paths["/v1/networks/{ref}"]["delete"];
    delete["summary"] = json!("Put a stored network out.");
    delete["description"] =
        json!("Out of this service's memory and out of the store. A replica that has it in memory keeps it until it forgets it.");
    delete["responses"] = json!({ "204": { "description": "It is gone." } });
    add_problems(&mut delete["responses"], &[401, 403, 404, 429, 500, 503, 504]);
}

/// The schemas, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let parameters = json!({ "type": "object", "description": "Values by canonical name or by the name that nodes share: of all that are not written inline, or of none.", "additionalProperties": reference("ParameterValue") });
    let count = json!({ "type": "integer", "minimum": 0 });
    let all = json!({
        "NetworkRef": { "type": "object", "description": "A stored network, by the `ref` that `PUT /v1/networks` answered.", "required": ["ref"], "additionalProperties": false,
            "properties": { "ref": { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" } } },
        "StoredNetwork": { "type": "object", "description": "A network and the values of its parameters, all finite.", "required": ["network"], "additionalProperties": false,
            "properties": { "network": reference("Network"), "parameters": parameters } },
        "NetworkSummary": {
            "type": "object", "description": "A stored network.",
            "required": ["ref", "inputs", "nodes", "outputs", "parameters", "parameter_count", "bytes", "cost", "meta"],
            "properties": {
                "ref": { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "description": "Its name: the SHA-256 of the body that it came in (of a multipart body: of the problem, the length of the part and the part)." },
                "inputs": { "type": "array", "items": { "type": "object", "required": ["name", "shape", "dtype"], "properties": { "name": { "type": "string" }, "shape": reference("Shape"), "dtype": { "type": "string", "enum": ["f64", "i64"] } } } },
                "nodes": count,
                "outputs": { "type": "array", "description": "The nodes that nobody reads.", "items": { "type": "string" } },
                "parameters": { "type": "array", "items": { "type": "object", "required": ["name", "shape", "trained", "given"], "properties": {
                    "name": { "type": "string" }, "shape": reference("Shape"), "trained": { "type": "boolean", "description": "False for running statistics, which have no gradient." },
                    "given": { "type": "boolean", "description": "Whether its value is stored; else every problem gives it." } } } },
                "parameter_count": count,
                "bytes": { "type": "integer", "minimum": 0, "description": "Bytes of memory that it takes." },
                "cost": { "type": "object", "description": "Of one sample.", "required": ["forward_flops", "backward_flops", "flops", "bytes"], "properties": {
                    "forward_flops": count, "backward_flops": count, "flops": count, "bytes": count } },
                "meta": { "type": "object", "required": ["engine"], "properties": { "engine": { "type": "string" } } },
            },
        },
    });
    match all {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}
