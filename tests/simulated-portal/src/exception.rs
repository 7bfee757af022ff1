//! Error answers of the server: exceptions in its error wrapper, ProblemDetails, and bare statuses.

use serde_json::{Value, json};

use crate::answer::Answer;

/// An exception of the server; its filter converts it into the error wrapper.
#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub(crate) status: u16,
    kind: &'static str,
    hresult: i32,
    message: String,
}

/// The result of a failed call.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// The error wrapper.
    Exception(Exception),
    /// Validation errors: ProblemDetails inside `response` (R 19, 47).
    Invalid { field: String, message: String },
    /// The body's media type is not accepted (R 141).
    UnsupportedMediaType,
    /// ProblemDetails without a wrapper, as portal states give them (R 337–341, 814).
    Problem(u16),
    /// A bare status, as authorization and routing give it.
    Status(u16),
}

impl From<Exception> for Refusal {
    fn from(exception: Exception) -> Self {
        Self::Exception(exception)
    }
}

impl Exception {
    fn new(status: u16, kind: &'static str, hresult: i32, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            hresult,
            message: message.into(),
        }
    }

    /// R 30, 33.
    pub(crate) fn key_not_found(key: &str) -> Self {
        let message = format!("The given key '{key}' was not present in the dictionary.");
        Self::new(
            500,
            "System.Collections.Generic.KeyNotFoundException",
            -2146232969,
            message,
        )
    }

    /// R 66, 75, 94.
    pub(crate) fn format(message: &str) -> Self {
        Self::new(500, "System.FormatException", -2146233033, message)
    }

    /// R 115, 184, 335.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(400, "System.ArgumentException", -2147024809, message)
    }

    /// R 130, 183, 429.
    pub(crate) fn null_reference() -> Self {
        let message = "Object reference not set to an instance of an object.";
        Self::new(500, "System.NullReferenceException", -2147467261, message)
    }

    /// R 3, 164, 206, 362.
    pub(crate) fn security() -> Self {
        Self::new(
            403,
            "System.Security.SecurityException",
            -2146233078,
            "Access denied",
        )
    }

    /// R 195–197.
    pub(crate) fn authorizing() -> Self {
        let kind = "ASC.Common.Security.Authorizing.AuthorizingException";
        Self::new(403, kind, -2146233088, "Access denied")
    }

    /// R 4.
    pub(crate) fn billing() -> Self {
        let message = "Your pricing plan does not support this option";
        Self::new(402, "ASC.Core.Billing.BillingException", -2146233088, message)
    }

    /// R 163.
    pub(crate) fn folder_not_found() -> Self {
        let message = "The required folder was not found";
        Self::new(404, "System.IO.DirectoryNotFoundException", -2147024893, message)
    }

    /// Local on SaaS: R 357.
    pub(crate) fn local_on_saas() -> Self {
        Self::new(500, "System.Exception", -2146233088, "Access denied")
    }

    /// An API key cannot be stored on PostgreSQL: R 908.
    pub(crate) fn database_update() -> Self {
        let message =
            "An error occurred while saving the entity changes. See the inner exception for details.";
        Self::new(
            500,
            "Microsoft.EntityFrameworkCore.DbUpdateException",
            -2146233088,
            message,
        )
    }

    /// PostgreSQL is down: R 371.
    pub(crate) fn postgresql_down() -> Self {
        let message = "An exception has been raised that is likely due to a transient failure.";
        Self::new(403, "System.InvalidOperationException", -2146233079, message)
    }

    /// MariaDB went down with a connection still pooled: R 375.
    pub(crate) fn mariadb_lost() -> Self {
        let message = "Failed to read the result set.";
        Self::new(500, "MySqlConnector.MySqlException", -2147467259, message)
    }

    /// MariaDB stayed down through every retry: R 376.
    pub(crate) fn mariadb_down() -> Self {
        let message = "The maximum number of retries (15) was exceeded while executing database operations with \
                       'MySqlRetryingExecutionStrategy'. See the inner exception for the most recent failure.";
        Self::new(
            500,
            "Microsoft.EntityFrameworkCore.Storage.RetryLimitExceededException",
            -2146233088,
            message,
        )
    }

    fn body(&self) -> Value {
        json!({
            "error": {
                "message": self.message,
                "type": self.kind,
                "stack": stack(self.kind),
                "hresult": self.hresult,
            },
            "status": 1,
            "statusCode": self.status,
        })
    }
}

/// A stack trace: long, and easy to recognise in output where it must not appear.
fn stack(kind: &str) -> String {
    let frames = [
        "ASC.Data.Backup.Services.BackupService.Simulated(Dictionary`2 storageParams, CronParams cronParams)",
        "ASC.Data.Backup.Controllers.BackupController.Simulated(BackupScheduleDto inDto)",
        "lambda_method1164(Closure, Object)",
        "Microsoft.AspNetCore.Mvc.Infrastructure.ControllerActionInvoker.<InvokeActionMethodAsync>g__Logged|12_1()",
        "Microsoft.AspNetCore.Mvc.Infrastructure.ResourceInvoker.<InvokeFilterPipelineAsync>g__Awaited|20_0()",
    ];
    let mut text = format!("{kind}: simulated\r\n");
    for (index, frame) in frames.iter().cycle().take(20).enumerate() {
        text += &format!(
            "   at {frame} in /home/simulated/DocSpace-server/Simulated.cs:line {}\r\n",
            40 + index
        );
    }
    text
}

const PROBLEM_JSON: &str = "application/problem+json; charset=utf-8";

/// The reference and title that ProblemDetails give for a status; 402 has neither (story tariff-run-out).
fn problem_of(status: u16) -> Value {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    let known = match status {
        400 => Some(("1", "One or more validation errors occurred.")),
        403 => Some(("4", "Forbidden")),
        404 => Some(("5", "Not Found")),
        415 => Some(("16", "Unsupported Media Type")),
        _ => None,
    };
    match known {
        Some((section, title)) => json!({
            "type": format!("https://tools.ietf.org/html/rfc9110#section-15.5.{section}"),
            "title": title,
            "status": status,
            "traceId": trace,
        }),
        None => json!({"status": status, "traceId": trace}),
    }
}

impl Refusal {
    /// The answer to a call of this link.
    pub(crate) fn answer(&self, link: Value) -> Answer {
        match self {
            Self::Exception(exception) => Answer::json(exception.status, &exception.body()),
            Self::Invalid { field, message } => {
                let mut problem = problem_of(400);
                problem["errors"] = json!({field.as_str(): [message]});
                let body =
                    json!({"response": problem, "count": 1, "links": [link], "status": 1, "statusCode": 400});
                Answer::of_type(400, PROBLEM_JSON, body.to_string())
            }
            Self::UnsupportedMediaType => {
                let problem = problem_of(415);
                // The body claims 200: only the HTTP status can be trusted (R 141).
                let body =
                    json!({"response": problem, "count": 1, "links": [link], "status": 0, "statusCode": 200});
                Answer::of_type(415, PROBLEM_JSON, body.to_string())
            }
            Self::Problem(status) => Answer::of_type(*status, PROBLEM_JSON, problem_of(*status).to_string()),
            Self::Status(status) => Answer::empty(*status),
        }
    }
}
