#!/usr/bin/env bash
# cffi 2.0.0 (PyPI): ffi.callback needs memory that is writable and executable, though libffi has not needed it for years.
#
# In a process that may not have such memory (PR_SET_MDWE of Linux 6.3, systemd's MemoryDenyWriteExecute) every
# ffi.callback raises MemoryError, also in a program of the out-of-line kind whose calls are all fine. A guess from ctypes
# misleads: its callbacks come from libffi's own allocator, which since 3.4 maps pages of the library as trampolines, and
# go on working where Python was built with that. So a package that hands C a progress callback by cffi fails at its
# first long call, and there alone; and where a callback was made before the right was given up, its page still serves.
#
# Seen here, in a process that has given up the right: a call and a callback by cffi, and a callback by ctypes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet cffi==2.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import ctypes
import cffi

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
ffi = cffi.FFI()
ffi.cdef("int abs(int);")
library = ffi.dlopen(None)
if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
    raise SystemExit("this kernel has no PR_SET_MDWE: nothing is shown")
try:
    by_ctypes = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 7)()
except MemoryError as error:
    by_ctypes = repr(error)
try:
    ffi.callback("int(void)", lambda: 7)
except MemoryError as error:
    print(f"cffi {cffi.__version__}: a call gives {library.abs(-7)}, a callback raises MemoryError: {error}")
    print(f"ctypes: a callback gives {by_ctypes}")
else:
    raise SystemExit("cffi made a callback")
PYTHON
