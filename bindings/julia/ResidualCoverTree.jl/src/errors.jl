"""
    RctError(status, message)

What the library refused to do or could not do: the name of its status, such as `"RCT_ERROR_INVALID_ARGUMENT"`, and a
sentence that names the argument and the value.
"""
struct RctError <: Exception
    status::String
    message::String
end

Base.showerror(io::IO, error::RctError) = print(io, "RctError: ", error.message, " (", error.status, ")")

# Of our own arguments, as Julia has them.
invalid(message) = RctError("RCT_ERROR_INVALID_ARGUMENT", message)

"""Throws the error of the call that has just returned `status`, unless it is RCT_OK."""
function check(status::Cint)
    status == RCT_OK && return nothing
    name = unsafe_string(@ccall librct.rct_status_name(status::Int32)::Cstring)
    message = unsafe_string(@ccall librct.rct_last_error()::Cstring)
    # Those of files have paths, which are nobody's to change.
    throw(RctError(name, name in ("RCT_ERROR_IO", "RCT_ERROR_CORRUPT") ? message : in_julia(message)))
end

"""The constant that `value` names in `group`."""
function code(argument, value, group::NamedTuple)
    known = value isa Symbol && haskey(group, value)
    known || throw(invalid("$argument is $(repr(value)); it must be one of $(join(repr.(keys(group)), ", "))"))
    return Int32(group[value])
end

"""`value` as an integer of at least 0."""
function count_of(argument, value::Integer)
    0 <= value <= typemax(Int64) || throw(invalid("$argument is $value; it must be from 0 to $(typemax(Int64))"))
    return Csize_t(value)
end
