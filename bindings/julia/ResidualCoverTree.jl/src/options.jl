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

"""Runs `body(options, own)` with what `options` points to kept alive; `own` is the caller's covariance or nothing."""
function with_options(body, parameters::NamedTuple)
    kernel, lengthscale = parameters.kernel, parameters.lengthscale
    # To the library 0 is a lengthscale that is not given.
    lengthscale == 0 && throw(invalid("lengthscale is 0; it must be a positive number"))
    own = kernel isa Union{Symbol, AbstractString} ? nothing : Kernel(kernel)
    scales = lengthscale isa AbstractVector ? numbers(lengthscale) : nothing
    options = rct_options()
    GC.@preserve own scales begin
        fill_options!(options, parameters, own, scales)
        return body(options, own)
    end
end

"""Fills `options`; `kernel` (or nothing) and `lengthscales` (or nothing) must be kept alive."""
function fill_options!(options::rct_options, parameters, kernel, lengthscales)
    threads = parameters.threads
    check(@ccall librct.rct_options_init(options::Ref{rct_options})::Cint)
    options.metric = code("metric", parameters.metric, METRIC)
    options.kernel = code("kernel", kernel === nothing ? parameters.kernel : :custom, KERNEL)
    options.construction = code("construction", parameters.construction, CONSTRUCTION)
    options.ordering = code("ordering", parameters.ordering, ORDERING)
    options.traversal = code("traversal", parameters.traversal, TRAVERSAL)
    threads in 0:typemax(UInt32) || throw(invalid("threads is $threads; it must be from 0 to $(typemax(UInt32))"))
    options.threads = threads
    options.variance = parameters.variance
    options.alpha = parameters.alpha
    options.jitter = parameters.jitter
    options.residual_floor = parameters.residual_floor
    if lengthscales !== nothing
        options.lengthscales = vector_view(lengthscales)
    elseif parameters.lengthscale !== nothing
        options.lengthscale = parameters.lengthscale
    end
    if kernel !== nothing
        options.covariance = @cfunction(evaluate_kernel, Int32,
            (Ptr{Cvoid}, Ptr{Cdouble}, Ptr{Cdouble}, Csize_t, Csize_t, Ptr{Cdouble}))
        options.covariance_user = pointer_from_objref(kernel)
    end
    return options
end

"""The parameters that `options` says; `own` is the caller's covariance or nothing."""
function parameters_of(options::rct_options, own)
    scales = options.lengthscales
    lengthscale = scales.data == C_NULL ? (options.lengthscale == 0 ? nothing : options.lengthscale) :
                  [unsafe_load(scales.data, 1 + (j - 1) * scales.stride) for j in 1:Int(scales.len)]
    kernel = own === nothing ? name_of(options.kernel, KERNEL) : own.covariance
    return NamedTuple{PARAMETERS}((name_of(options.metric, METRIC), kernel, options.variance, lengthscale,
                                   options.jitter, name_of(options.construction, CONSTRUCTION),
                                   name_of(options.ordering, ORDERING), name_of(options.traversal, TRAVERSAL),
                                   Int(options.threads), options.alpha, options.residual_floor))
end

name_of(code, group::NamedTuple) = keys(group)[findfirst(==(code), values(group))]
