//! Callbacks for the Python package: Ctrl-C, progress, and covariances that are Python functions.
//!
//! cffi would write machine code for every callback while the program runs, which a process that may not map memory
//! writable and executable (`PR_SET_MDWE`, systemd's `MemoryDenyWriteExecute`) refuses. These are part of the library
//! instead, and call Python by the functions of its stable ABI. Those are looked up among the symbols of the process
//! once Python is there, so that the library is linked with no Python.
//!
//! The names are for `bindings/python` alone, which builds the library with the feature `python`: `rct.h` has none.

use super::status::guard;
use super::types::rct_status;
use crate::error::{Error, ErrorKind, Result};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::SeqCst};
use std::thread::{ThreadId, current, park, sleep};
use std::time::Duration;

/// A Python object.
type Object = *mut c_void;

macro_rules! functions {
    ($($field:ident: $name:literal as $signature:ty,)*) => {
        /// Functions of Python.
        struct Python {
            $($field: $signature,)*
        }

        impl Python {
            /// Looks the functions up; an error names the first that is not there.
            fn find() -> Result<Python> {
                // SAFETY: a pointer to a function, not NULL, which has the signature that Python's stable ABI gives it.
                Ok(Python { $($field: unsafe { std::mem::transmute::<*mut c_void, $signature>(address($name)?) },)* })
            }
        }
    };
}

functions! {
    ensure: c"PyGILState_Ensure" as unsafe extern "C" fn() -> c_int,
    release: c"PyGILState_Release" as unsafe extern "C" fn(c_int),
    check_signals: c"PyErr_CheckSignals" as unsafe extern "C" fn() -> c_int,
    fetch: c"PyErr_Fetch" as unsafe extern "C" fn(*mut Object, *mut Object, *mut Object),
    normalize: c"PyErr_NormalizeException" as unsafe extern "C" fn(*mut Object, *mut Object, *mut Object),
    set_traceback: c"PyException_SetTraceback" as unsafe extern "C" fn(Object, Object) -> c_int,
    clear: c"PyErr_Clear" as unsafe extern "C" fn(),
    attribute: c"PyObject_GetAttrString" as unsafe extern "C" fn(Object, *const c_char) -> Object,
    append: c"PyList_Append" as unsafe extern "C" fn(Object, Object) -> c_int,
    call: c"PyObject_CallFunctionObjArgs" as unsafe extern "C" fn(Object, ...) -> Object,
    float: c"PyFloat_FromDouble" as unsafe extern "C" fn(f64) -> Object,
    integer: c"PyLong_FromVoidPtr" as unsafe extern "C" fn(*mut c_void) -> Object,
    forget: c"Py_DecRef" as unsafe extern "C" fn(Object),
}

/// Arguments of a function at most.
const MOST: usize = 5;

static PYTHON: OnceLock<Python> = OnceLock::new();

fn address(name: &CStr) -> Result<*mut c_void> {
    // SAFETY: a lookup.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    let missing = || Error::new(ErrorKind::Unsupported, format!("{} is not in this process", name.to_string_lossy()));
    if found.is_null() { Err(missing()) } else { Ok(found) }
}

/// What a callback calls, passed to it as `user`: the void pointer of the types of `rct.h`.
#[repr(C)]
pub struct rct_python_callback {
    /// The Python function; not used by `rct_python_should_stop`.
    pub function: *mut c_void,
    /// A Python object whose attribute `raised` is the list, this thread's own, that exceptions are appended to.
    pub calls: *mut c_void,
    /// Not 0 once an exception has been raised: then `rct_python_should_stop` stops the call.
    pub stopped: i32,
}

/// Whether Python is about to end, and the thread that ends it.
static ENDING: AtomicBool = AtomicBool::new(false);
static LAST: OnceLock<ThreadId> = OnceLock::new();
/// Threads that use Python from here, or wait for it.
static INSIDE: AtomicIsize = AtomicIsize::new(0);

/// Keeps a daemon thread out of a Python that ends. Python before 3.14 would end the thread, as by `pthread_exit`, which
/// no frame of Rust's lets pass; since 3.14 it does what this does.
fn enter() {
    INSIDE.fetch_add(1, SeqCst);
    if ENDING.load(SeqCst) && LAST.get() != Some(&current().id()) {
        leave();
        loop {
            park();
        }
    }
}

fn leave() {
    INSIDE.fetch_sub(1, SeqCst);
}

/// Runs `body`, where this thread may use Python; false where it is not known or `body` raised.
///
/// # Safety
/// `callback` is valid, and its objects are alive.
unsafe fn run(callback: &rct_python_callback, body: impl FnOnce(&Python) -> bool) -> bool {
    let Some(python) = PYTHON.get() else { return false };
    enter();
    // SAFETY: the thread is inside a call of Python's, which has let go of the interpreter.
    let state = unsafe { (python.ensure)() };
    let done = body(python);
    if !done {
        // SAFETY: the thread has the interpreter, and the caller's promise.
        unsafe { keep(python, callback.calls) };
    }
    // SAFETY: as it was ensured.
    unsafe { (python.release)(state) };
    leave();
    done
}

/// Appends the exception that is being raised to the list of this thread, without running Python code: in its stead
/// another signal could be handled, and the exception be lost.
///
/// # Safety
/// The thread has the interpreter and an exception set, and `calls` is alive.
unsafe fn keep(python: &Python, calls: Object) {
    let (mut kind, mut value, mut traceback) = (null_mut(), null_mut(), null_mut());
    // SAFETY: the caller's promise; references that are got are given back, and NULL is fine for `forget`.
    unsafe {
        (python.fetch)(&mut kind, &mut value, &mut traceback);
        (python.normalize)(&mut kind, &mut value, &mut traceback);
        if !traceback.is_null() {
            (python.set_traceback)(value, traceback);
        }
        let raised = (python.attribute)(calls, c"raised".as_ptr());
        if raised.is_null() || (python.append)(raised, value) != 0 {
            (python.clear)();
        }
        [kind, value, traceback, raised].into_iter().for_each(|object| (python.forget)(object));
    }
}

/// Calls `function` with `arguments`, new references, or NULL where making one raised; false where anything raised.
///
/// # Safety
/// The thread has the interpreter, and `function` is alive.
unsafe fn call<const COUNT: usize>(python: &Python, function: Object, arguments: [Object; COUNT]) -> bool {
    const { assert!(COUNT <= MOST) };
    let mut given: [Object; MOST] = [null_mut(); MOST];
    given[..COUNT].copy_from_slice(&arguments);
    let [a, b, c, d, e] = given;
    // SAFETY: the caller's promise; the first NULL ends the arguments, and all references are given back.
    unsafe {
        let made = arguments.iter().all(|argument| !argument.is_null());
        let answer = if made { (python.call)(function, a, b, c, d, e, null_mut::<c_void>()) } else { null_mut() };
        arguments.into_iter().chain([answer]).for_each(|object| (python.forget)(object));
        !answer.is_null()
    }
}

/// Finds Python in this process. To be called before any of the callbacks is used.
#[unsafe(no_mangle)]
pub extern "C" fn rct_python_find() -> rct_status {
    guard(|| {
        let found = Python::find()?;
        PYTHON.get_or_init(|| found);
        Ok(())
    })
}

/// Python is about to end, by the thread that calls this: other threads stay where they are when they next call back.
/// Returns when none is on its way to Python, or after a second: a function of the user's may not return.
#[unsafe(no_mangle)]
pub extern "C" fn rct_python_end() {
    LAST.get_or_init(|| current().id());
    ENDING.store(true, SeqCst);
    for _ in 0..1000 {
        if INSIDE.load(SeqCst) <= 0 {
            break;
        }
        sleep(Duration::from_millis(1));
    }
}

/// To be called in a forked child, where the other threads are gone.
#[unsafe(no_mangle)]
pub extern "C" fn rct_python_forked() {
    // What this thread has entered makes it negative when it leaves.
    INSIDE.store(0, SeqCst);
}

/// An `rct_should_stop_fn`: runs the handlers of the signals that have arrived, as Python does between its instructions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_python_should_stop(user: *mut rct_python_callback) -> i32 {
    // SAFETY: `user` is that of the one call under way, on this thread.
    let callback = unsafe { &mut *user };
    // SAFETY: its objects live as long as the call; `body` runs with the interpreter.
    let go_on = callback.stopped == 0 && unsafe { run(callback, |python| (python.check_signals)() == 0) };
    callback.stopped = i32::from(!go_on);
    callback.stopped
}

/// An `rct_progress_fn`: calls `function(fraction)`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_python_progress(fraction: f64, user: *mut rct_python_callback) {
    // SAFETY: `user` is that of the one call under way, on this thread.
    let callback = unsafe { &mut *user };
    // SAFETY: its objects live as long as the call; `body` runs with the interpreter.
    let told = callback.stopped != 0
        || unsafe { run(callback, |python| call(python, callback.function, [(python.float)(fraction)])) };
    callback.stopped |= i32::from(!told);
}

/// An `rct_covariance_fn`: calls `function(x, others, count, dim, out)`, pointers as integers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_python_covariance(
    user: *mut rct_python_callback,
    x: *const f64,
    others: *const f64,
    count: usize,
    dim: usize,
    out: *mut f64,
) -> i32 {
    // SAFETY: `user` lives as long as the tree; several threads may read it.
    let callback = unsafe { &*user };
    let numbers = [x.addr(), others.addr(), count, dim, out.addr()];
    // SAFETY: its objects live as long as the tree; `body` runs with the interpreter.
    let answered = unsafe {
        run(callback, |python| {
            call(python, callback.function, numbers.map(|number| (python.integer)(without_provenance_mut(number))))
        })
    };
    i32::from(!answered)
}
