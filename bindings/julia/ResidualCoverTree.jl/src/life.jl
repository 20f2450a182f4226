"""
    insert_points!(tree, coords; factor = nothing, residual_variance = nothing, progress = nothing)

Inserts the columns of `coords` (d x n); returns their ids, which follow the largest that was ever given. `factor` and
`residual_variance` are needed where the tree was built with them; inducing points stay. Answers are those of a tree
that is built of all its points at once.

This call, `remove_points!` and `refit_tree!` need the tree for themselves. Where one fails the tree is as it was.
"""
function insert_points!(tree::CoverTree, coords; factor = nothing, residual_variance = nothing, progress = nothing)
    coords = numbers(coords)
    first = Ref{Int64}(0)
    with_data(coords, nothing, factor, residual_variance) do data
        with_tree(tree, progress) do handle, control
            @long_ccall librct.rct_insert_batch(handle::Ptr{rct_tree}, data::Ref{rct_data}, first::Ref{Int64},
                                                control::Ref{rct_control})::Cint
        end
    end
    count = size(coords, 2)
    tree.n += count
    return (first[] + 1):(first[] + count)
end

"""
    remove_points!(tree, ids; progress = nothing)

Removes points. The ids of all others stay, and no id is used again.
"""
function remove_points!(tree::CoverTree, ids; progress = nothing)
    gone = zero_based(ids)
    GC.@preserve gone begin
        given = index_view(gone)
        with_tree(tree, progress) do handle, control
            @long_ccall librct.rct_remove_batch(handle::Ptr{rct_tree}, given::rct_index_vector,
                                                control::Ref{rct_control})::Cint
        end
    end
    tree.n -= length(gone)
    return tree
end

"""
    refit_tree!(tree; inducing = nothing, factor = nothing, residual_variance = nothing, progress = nothing, changes...)

Gives the tree other parameters over the same points: `changes` are those of `CoverTree` by name, all but the metric.
What is not named stays, and so do inducing points where none are given. Columns of `factor` are those of the points by
ascending id. Answers are those of a tree that is built anew, which takes longer. An odd lengthscale is warned of.
"""
function refit_tree!(tree::CoverTree; inducing = nothing, factor = nothing, residual_variance = nothing,
                     progress = nothing, changes...)
    with_options(changed(parameters(tree), values(changes))) do options, own
        with_data(nothing, inducing, factor, residual_variance) do data
            with_tree(tree, progress, own) do handle, control
                status = @long_ccall librct.rct_refit(handle::Ptr{rct_tree}, options::Ref{rct_options},
                                                      data::Ref{rct_data}, control::Ref{rct_control})::Cint
                # From now on the tree calls this one.
                status == RCT_OK && (tree.kernel = own)
                return status
            end
        end
    end
    warn_of_lengthscale(tree)
    return tree
end

"""`parameters` with some of them changed."""
function changed(parameters, changes::NamedTuple)
    for name in keys(changes)
        name in PARAMETERS || throw(invalid("$name is no parameter; there are $(join(PARAMETERS, ", "))"))
    end
    return merge(parameters, changes)
end

"""
    save_tree(path, tree; progress = nothing)
    save_tree(io, tree; progress = nothing)

Saves the tree in the file at `path`, replaced at once when all is on the disk: whatever happens, there is the old file
or the new one. It can be loaded on any machine. Or writes the same bytes to `io`. A tree whose kernel is a function
cannot be saved.
"""
function save_tree(path::AbstractString, tree::CoverTree; progress = nothing)
    name = file_name(path)
    with_tree(tree, progress) do handle, control
        @long_ccall librct.rct_save(handle::Ptr{rct_tree}, name::Cstring, control::Ref{rct_control})::Cint
    end
    return nothing
end

function save_tree(io::IO, tree::CoverTree; progress = nothing)
    slot = Ref{Ptr{rct_buffer}}(C_NULL)
    with_tree(tree, progress) do handle, control
        @long_ccall librct.rct_save_to_buffer(handle::Ptr{rct_tree}, slot::Ref{Ptr{rct_buffer}},
                                              control::Ref{rct_control})::Cint
    end
    try
        start, len = Ref{Ptr{UInt8}}(C_NULL), Ref{Csize_t}(0)
        check(@ccall librct.rct_buffer_view(slot[]::Ptr{rct_buffer}, start::Ref{Ptr{UInt8}}, len::Ref{Csize_t})::Cint)
        unsafe_write(io, start[], len[])
    finally
        @ccall librct.rct_buffer_free(slot[]::Ptr{rct_buffer})::Cvoid
    end
    return nothing
end

"""
    load_tree(path; threads = nothing, memory_map = false, progress = nothing)
    load_tree(io; threads = nothing, progress = nothing)

The tree that was saved at `path`, or in all that is left of `io`, with as many threads as it had unless others are
asked for. With `memory_map` most of the tree stays in the file and is read, and checked, as it is needed: nobody may
then change the file in place while the tree lives; saving to its path is fine.
"""
function load_tree(path::AbstractString; threads = nothing, memory_map::Bool = false, progress = nothing)
    name = file_name(path)
    options = load_options(threads)
    options.memory_map = memory_map
    return loaded(progress) do slot, control
        @long_ccall librct.rct_load(name::Cstring, options::Ref{rct_load_options}, slot::Ref{Ptr{rct_tree}},
                                    control::Ref{rct_control})::Cint
    end
end

function load_tree(io::IO; threads = nothing, progress = nothing)
    bytes = read(io)
    options = load_options(threads)
    GC.@preserve bytes begin
        start, len = pointer(bytes), Csize_t(length(bytes))
        return loaded(progress) do slot, control
            @long_ccall librct.rct_load_from_buffer(start::Ptr{UInt8}, len::Csize_t, options::Ref{rct_load_options},
                                                    slot::Ref{Ptr{rct_tree}}, control::Ref{rct_control})::Cint
        end
    end
end

function load_options(threads)
    options = rct_load_options()
    check(@ccall librct.rct_load_options_init(options::Ref{rct_load_options})::Cint)
    threads === nothing && return options
    threads in 0:typemax(Int32) || throw(invalid("threads is $threads; it must be from 0 to $(typemax(Int32))"))
    options.threads = threads
    return options
end

"""The tree that `body(slot, control)` makes."""
function loaded(body, progress)
    slot = Ref{Ptr{rct_tree}}(C_NULL)
    controlled(control -> body(slot, control), progress)
    tree = CoverTree(slot[], nothing)
    tree.n = stats(tree).n
    return tree
end

function file_name(path)
    occursin('\0', path) && throw(invalid("path is $(repr(path)), which has a NUL"))
    return String(path)
end
