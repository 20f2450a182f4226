# Progress, Ctrl-C, and what a callback throws: kept while C and Rust are on the stack, thrown when the call has returned.

mutable struct Call
    progress::Any
    thrown::Any
    Call(progress) = new(progress, nothing)
end

"""Called by the library with a fraction."""
function report(fraction::Cdouble, user::Ptr{Cvoid})::Cvoid
    call = unsafe_pointer_to_objref(user)::Call
    call.thrown === nothing || return nothing
    try
        call.progress(fraction)
    catch thrown
        call.thrown = thrown
    end
    return nothing
end

"""Called by the library between chunks of its work: a Ctrl-C that came meanwhile is thrown, and caught, here."""
function should_stop(user::Ptr{Cvoid})::Int32
    call = unsafe_pointer_to_objref(user)::Call
    try
        reenable_sigint(() -> nothing)
    catch thrown
        call.thrown === nothing && (call.thrown = thrown)
    end
    return call.thrown === nothing ? Int32(0) : Int32(1)
end

"""
Runs `body(control)`, which returns the status of a library call, with callbacks; then throws what they threw, or the
error that the status stands for. Ctrl-C is held back meanwhile but for `should_stop`: it must not unwind Rust.
"""
function controlled(body, progress)
    call = Call(progress)
    control = rct_control()
    check(@ccall librct.rct_control_init(control::Ref{rct_control})::Cint)
    progress === nothing || (control.progress = @cfunction(report, Cvoid, (Cdouble, Ptr{Cvoid})))
    control.should_stop = @cfunction(should_stop, Int32, (Ptr{Cvoid},))
    GC.@preserve call begin
        control.user = pointer_from_objref(call)
        on_this_thread() do
            status = disable_sigint(() -> body(control))
            call.thrown === nothing || throw(call.thrown)
            check(status)
        end
    end
    return nothing
end

"""
Runs `body()` with the calling task held to its thread. A callback that waits gives way to other tasks, and Julia could
go on with it on another thread: under frames of Rust that know theirs, and with signals held back on the wrong one.
"""
function on_this_thread(body)
    task = current_task()
    sticky = task.sticky
    task.sticky = true
    try
        return body()
    finally
        # Also where a callback used `@async`, which holds its parent to the thread: for this call alone.
        task.sticky = sticky
    end
end
