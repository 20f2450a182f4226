# The settings of a tree as rct_options, and covariance functions of the caller's.

"""A covariance function of two points, and what it threw."""
mutable struct Kernel
    covariance::Any
    thrown::Any
    Kernel(covariance) = new(covariance, nothing)
end

"""Called by the library: covariances of `x` with `count` points."""
function evaluate_kernel(user::Ptr{Cvoid}, x::Ptr{Cdouble}, others::Ptr{Cdouble}, count::Csize_t, dim::Csize_t,
                         out::Ptr{Cdouble})::Int32
    kernel = unsafe_pointer_to_objref(user)::Kernel
    try
        point = copy(unsafe_wrap(Array, x, Int(dim)))
        points = copy(unsafe_wrap(Array, others, (Int(dim), Int(count))))
        for i in 1:Int(count)
            unsafe_store!(out, Float64(kernel.covariance(point, view(points, :, i))), i)
        end
        return Int32(0)
    catch thrown
        kernel.thrown = thrown
        return Int32(1)
    end
end

const PARAMETERS = (:metric, :kernel, :variance, :lengthscale, :jitter, :construction, :ordering, :traversal, :threads,
                    :alpha, :residual_floor)

"""Runs `body(options, own)` with all that `options` points to kept alive; `own` is the caller's covariance or nothing."""
function with_options(body, parameters::NamedTuple)
    (; kernel, lengthscale) = parameters
    own = kernel isa Union{Symbol, AbstractString} ? nothing : Kernel(kernel)
    scales = lengthscale isa AbstractVector ? numbers(lengthscale) : nothing
    options = rct_options()
    others = Base.structdiff(parameters, NamedTuple{(:kernel,)})
    GC.@preserve own scales begin
        fill_options!(options, own, scales; named_kernel = own === nothing ? kernel : :custom, others...)
        return body(options, own)
    end
end

"""Fills `options`; `kernel` (or nothing) and `lengthscales` (or nothing) must be kept alive."""
function fill_options!(options::rct_options, kernel, lengthscales; metric, named_kernel, construction, ordering,
                       traversal, threads, variance, lengthscale, alpha, jitter, residual_floor)
    check(@ccall librct.rct_options_init(options::Ref{rct_options})::Cint)
    options.metric = code("metric", metric, METRIC)
    options.kernel = code("kernel", named_kernel, KERNEL)
    options.construction = code("construction", construction, CONSTRUCTION)
    options.ordering = code("ordering", ordering, ORDERING)
    options.traversal = code("traversal", traversal, TRAVERSAL)
    threads in 0:typemax(UInt32) || throw(invalid("threads is $threads; it must be from 0 to $(typemax(UInt32))"))
    options.threads = threads
    options.variance = variance
    options.alpha = alpha
    options.jitter = jitter
    options.residual_floor = residual_floor
    lengthscales === nothing ? (options.lengthscale = lengthscale) : (options.lengthscales = vector_view(lengthscales))
    if kernel !== nothing
        options.covariance = @cfunction(evaluate_kernel, Int32,
            (Ptr{Cvoid}, Ptr{Cdouble}, Ptr{Cdouble}, Csize_t, Csize_t, Ptr{Cdouble}))
        options.covariance_user = pointer_from_objref(kernel)
    end
    return options
end
