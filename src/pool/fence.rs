//! A panic stops here. It ends the job, is told to the caller in words, and prints nothing by itself.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static FENCED: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Call `f`; if it panics, the message and the place.
///
/// What `f` touched is dropped or never looked at again by the callers here, hence unwind safe.
pub(super) fn fenced<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    quiet_hook();
    let outer = FENCED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    FENCED.set(outer);
    result.map_err(|payload| {
        let place = PLACE.take().unwrap_or_else(|| "an unknown place".to_owned());
        format!("{} at {place}", message(payload.as_ref()))
    })
}

/// Keep the standard hook from printing panics that are caught and told by [`fenced`]; all others it prints as before.
fn quiet_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let standard = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if FENCED.get() {
                PLACE.set(info.location().map(ToString::to_string));
            } else {
                standard(info);
            }
        }));
    });
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&'static str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place() {
        assert_eq!(fenced(|| 7), Ok(7));
        let told = fenced(|| panic!("the {}", "message")).expect_err("it panicked");
        assert!(told.starts_with("the message at src/pool/fence.rs:"), "{told}");
    }
}
