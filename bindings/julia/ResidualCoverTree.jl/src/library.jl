# Where the shared library is, and how it is called.

# Set when the package is loaded; `@ccall` looks at it at the first call of each function.
librct = "librct"

"""
    set_library!(path)

Use the shared library of rct at `path`, from the next session on. The environment variable `RCT_LIBRARY` comes before
it; without either the system's loader looks for `librct`.
"""
function set_library!(path::AbstractString)
    isfile(path) || throw(ArgumentError("there is no file $path"))
    @set_preferences!("library" => String(path))
    return nothing
end

function __init__()
    global librct = get(ENV, "RCT_LIBRARY", @load_preference("library", "librct"))
    if Libdl.dlopen(librct; throw_error = false) === nothing
        @warn "the shared library of rct cannot be loaded; set RCT_LIBRARY or call " *
              "ResidualCoverTree.set_library!(path), and start Julia again" librct
        return nothing
    end
    abi = @ccall librct.rct_abi_version()::UInt32
    abi == RCT_ABI_VERSION || error("$librct has ABI $abi; this package needs ABI $RCT_ABI_VERSION")
    return nothing
end

"""The version of the library that is loaded."""
version() = VersionNumber(unsafe_string(@ccall librct.rct_version()::Cstring))

# A call that may take long: from Julia 1.12 on, other threads collect garbage meanwhile. Arguments are kept alive by
# GC.@preserve, and what the library calls back enters Julia through @cfunction, which takes care of itself.
macro long_ccall(call)
    if VERSION >= v"1.12"
        return esc(:(@ccall gc_safe = true $call))
    end
    return esc(:(@ccall $call))
end
