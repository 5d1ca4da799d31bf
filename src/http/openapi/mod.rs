//! The OpenAPI 3.1 document. Routes, problems and figures come from the code by way of utoipa; what a client writes and what an
//! analysis replies is plain JSON Schema in `request` and `reply`, since no Rust type has those shapes.

mod analyze;
mod check;
mod derivation;
mod descend;
mod flow;
mod generate;
mod grade;
mod hessian;
mod hvp;
mod jacobian;
mod jvp;
mod networks;
mod reply;
mod request;
mod vjp;

use serde_json::{Map, Value, json};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder};

use super::problem::Kind;
use crate::analysis::{ANALYSES, Form, Question};

/// The document without its routes.
pub(super) fn frame() -> OpenApi {
    let license = LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build();
    let info = InfoBuilder::new()
        .title("dedz")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("description.md")))
        .license(Some(license));
    let tag = |name, description: &str| TagBuilder::new().name(name).description(Some(description)).build();
    OpenApiBuilder::new()
        .info(info.build())
        .tags(Some([
            tag("analyses", "Questions about one problem: a network, its parameters, a minibatch and a loss."),
            tag("networks", "Networks that are kept with their parameters, so that problems need only name them."),
            tag("catalogue", "What there is to build networks from, and the limits in force."),
            tag("operations", "For those who run the service."),
            tag("documentation", "For those who read."),
        ]))
        .build()
}

/// The examples: files that the tests post, and whose answers they check.
pub const EXAMPLES: &[Example] = &[
    ("lecture", "the lecture's network, z1 to z7", include_str!("../../../openapi/examples/lecture.json")),
    ("mazur", "Mazur's 2-2-2 network with shared biases", include_str!("../../../openapi/examples/mazur.json")),
    ("cs231n_circuit", "CS231n: f = (x + y) z", include_str!("../../../openapi/examples/cs231n_circuit.json")),
    ("cs231n_neuron", "CS231n: a sigmoid neuron", include_str!("../../../openapi/examples/cs231n_neuron.json")),
    ("cs231n_two_layer", "a two-layer network with a dead ReLU", include_str!("../../../openapi/examples/cs231n_two_layer.json")),
    ("micrograd", "the expression of micrograd's README", include_str!("../../../openapi/examples/micrograd.json")),
    ("mixed", "layers and neurons together", include_str!("../../../openapi/examples/mixed.json")),
    ("text_classifier", "embedding, mean and linear on words", include_str!("../../../openapi/examples/text_classifier.json")),
    (
        "sequence_classifier",
        "an encoder layer with padding and an LSTM whose last state is classified",
        include_str!("../../../openapi/examples/sequence_classifier.json"),
    ),
];

/// What is documented of an analysis beside its name, summary and description.
pub(super) struct Doc {
    /// Its name in [`ANALYSES`].
    pub(super) name: &'static str,
    /// The schema of its own arguments, if it takes any: the problem's member of its name.
    pub(super) arguments: Option<fn() -> Value>,
    /// Whether the problem must have them.
    pub(super) arguments_required: bool,
    /// The name of its reply's schema.
    pub(super) reply: &'static str,
    /// Schemas that are its own, by name, the reply's among them.
    pub(super) schemas: fn() -> Value,
    /// Requests as name, summary and text: files that the tests post.
    pub(super) examples: &'static [Example],
}

/// A request in `openapi/examples`: its name, a summary, its text.
pub type Example = (&'static str, &'static str, &'static str);

/// One for each of [`ANALYSES`], in that order.
const DOCS: &[&Doc] = &[
    &reply::GRADIENTS,
    &reply::FORWARD,
    &reply::VALIDATE,
    &check::DOC,
    &jvp::DOC,
    &vjp::DOC,
    &jacobian::DOC,
    &hvp::DOC,
    &hessian::DOC,
    &derivation::DERIVATION,
    &flow::FLOW,
    &descend::DESCEND,
    &grade::DOC,
    &analyze::DOC,
    &generate::GENERATE,
];

/// What an analysis, by its name, reads from the query string.
const QUERIES: &[(&str, fn() -> Value)] = &[("check", check::sweep_in_query), ("grade", grade::format_in_query)];

/// The analyses with the names of the schemas of their requests and replies and with their examples.
pub fn analyses() -> impl Iterator<Item = (Question, String, &'static str, &'static [Example])> {
    ANALYSES.iter().zip(DOCS).map(|(&analysis, doc)| {
        assert_eq!(analysis.name, doc.name, "the documents stand in the order of the analyses");
        (analysis, problem_of(doc), doc.reply, doc.examples)
    })
}

/// Questions, by their names, that are not about a problem, and the schema of their requests.
const OTHERS: &[(&str, &str)] = &[("generate", "GenerateRequest")];

/// The name of the schema of an analysis's requests.
fn problem_of(doc: &Doc) -> String {
    if let Some((_, schema)) = OTHERS.iter().find(|(name, _)| *name == doc.name) {
        return (*schema).to_owned();
    }
    match doc.arguments {
        None => "Problem".to_owned(),
        Some(_) => format!("problem_{}", doc.name),
    }
}

/// The document: the routes as utoipa knows them, and the analyses.
pub fn document() -> Value {
    let (_, api) = super::router::list().split_for_parts();
    let mut api = serde_json::to_value(api).expect("an OpenAPI document is JSON");
    let mut paths = Map::new();
    for (analysis, problem, reply, examples) in analyses() {
        let operation = json!({
            "tags": ["analyses"],
            "summary": analysis.summary,
            "description": analysis.description,
            "operationId": analysis.name,
            "parameters": [
                { "name": "Deadline-Ms", "in": "header", "required": false, "schema": { "type": "integer", "minimum": 1 }, "description": "How long the client waits, in milliseconds; shortens the service's own deadline." },
                { "name": "X-Request-Id", "in": "header", "required": false, "schema": { "type": "string" }, "description": "An id of the client's own, echoed and logged: at most 128 letters, digits and -_.:~+/=@. For any other, one is made." },
            ],
            "requestBody": request_body(&problem, examples),
            "responses": responses(analysis.forms, reply),
        });
        let mut operation = operation;
        let parameters = operation["parameters"].as_array_mut().expect("a list was written");
        parameters.extend(QUERIES.iter().filter(|(name, _)| *name == analysis.name).map(|(_, parameter)| parameter()));
        paths.insert(format!("/v1/{}", analysis.name), json!({ "post": operation }));
    }
    let others = api["paths"].as_object_mut().expect("there are routes");
    paths.append(others);
    api["paths"] = Value::Object(paths);
    networks::document(&mut api["paths"]);
    api["paths"]["/v1/ops"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] =
        json!({ "$ref": "#/components/schemas/Catalogue" });
    let schemas = api["components"]["schemas"].as_object_mut().expect("the routes name schemas");
    schemas.extend(request::schemas());
    schemas.extend(networks::schemas());
    for doc in DOCS {
        if let Some(arguments) = doc.arguments {
            let mut problem = schemas["Problem"].clone();
            problem["properties"][doc.name] = arguments();
            if doc.arguments_required {
                problem["required"].as_array_mut().expect("a problem needs a network").push(doc.name.into());
            }
            schemas.insert(problem_of(doc), problem);
        }
        if let Value::Object(own) = (doc.schemas)() {
            schemas.extend(own);
        }
    }
    grade::seal(&mut schemas[&problem_of(&grade::DOC)]);
    schemas.extend(reply::schemas());
    api["components"]["securitySchemes"] = json!({ "key": { "type": "http", "scheme": "bearer", "description": "A key that the operator gave out; only where the service asks for one." } });
    // Either no key or one: which, the operator decides.
    api["security"] = json!([{}, { "key": [] }]);
    api
}

fn request_body(problem: &str, examples: &[Example]) -> Value {
    let problem = json!({ "$ref": format!("#/components/schemas/{problem}") });
    let examples: Map<String, Value> = examples
        .iter()
        .map(|(name, summary, text)| {
            let value: Value = serde_json::from_str(text).expect("examples are JSON");
            ((*name).to_owned(), json!({ "summary": summary, "value": value }))
        })
        .collect();
    json!({
        "required": true,
        "content": {
            "application/json": { "schema": problem, "examples": examples },
            "application/x-ndjson": { "schema": { "type": "string", "description": "One problem a line." } },
            "multipart/form-data": {
                "schema": { "type": "object", "required": ["problem"], "properties": {
                    "problem": problem,
                    "parameters": part("safetensors: parameters by name."),
                    "inputs": part("safetensors: the minibatch's inputs by name."),
                    "targets": part("safetensors: one tensor, the targets."),
                } },
                "encoding": { "problem": { "contentType": "application/json" } },
            },
        },
    })
}

/// A part of a multipart body that is a file.
fn part(description: &str) -> Value {
    json!({ "type": "string", "format": "binary", "description": description })
}

fn responses(forms: &[Form], reply: &str) -> Value {
    let mut content = json!({
        "application/json": { "schema": { "$ref": format!("#/components/schemas/{reply}") } },
        "application/x-ndjson": { "schema": { "$ref": "#/components/schemas/Line" } },
    });
    if forms.contains(&Form::Safetensors) {
        content[Form::Safetensors.media_type()] = json!({ "schema": { "type": "string", "format": "binary", "description": "One safetensors file: `losses`, `outputs/…`, `gradients/…`, `input_gradients/…`, `trace/<id>/dE_dz`, …; scalars of the reply in its metadata." } });
    }
    for (form, description) in
        [(Form::Svg, "A picture, without scripts or fonts from elsewhere."), (Form::Dot, "The same graph for Graphviz.")]
    {
        if forms.contains(&form) {
            content[form.media_type()] = json!({ "schema": { "type": "string", "description": description } });
        }
    }
    if forms.contains(&Form::EventStream) {
        content[Form::EventStream.media_type()] = json!({ "schema": { "type": "string", "description": "Server-sent events. What there is to tell on the way, each as soon as it is known; then `done`, whose data is the reply, or `error`, whose data is a problem document. Comments keep the connection alive." } });
    }
    let id = json!({ "description": "The request's id.", "schema": { "type": "string" } });
    let timing = json!({ "description": "Milliseconds in queue, preparing and running.", "schema": { "type": "string" } });
    let mut responses = json!({ "200": { "description": "The answer.", "content": content, "headers": { "X-Request-Id": id, "Server-Timing": timing } } });
    add_problems(&mut responses, &[400, 401, 403, 404, 406, 408, 413, 415, 422, 429, 500, 503, 504]);
    responses
}

/// What goes wrong, by status.
fn add_problems(responses: &mut Value, statuses: &[u16]) {
    let id = json!({ "description": "The request's id.", "schema": { "type": "string" } });
    for &status in statuses {
        let kinds: Vec<_> = Kind::ALL.iter().filter(|kind| kind.status == status && **kind != Kind::NOT_FOUND).collect();
        let description = kinds.iter().map(|kind| format!("`{}`: {}", kind.slug, kind.meaning)).collect::<Vec<_>>().join(" ");
        let mut response = json!({
            "description": description,
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/ProblemDocument" } } },
            "headers": { "X-Request-Id": id },
        });
        if matches!(status, 429 | 503) {
            response["headers"]["Retry-After"] =
                json!({ "description": "Seconds after which to try again.", "schema": { "type": "integer" } });
        }
        responses[status.to_string()] = response;
    }
}

/// The document as it is served and checked in: indented, with a final line break.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("a JSON value is JSON");
    text.push('\n');
    text
}
