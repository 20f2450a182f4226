using Random
using ResidualCoverTree
import ResidualCoverTree as RCT
using Test

include("oracle.jl")

const SEED = 1
const N, M, K = 400, 30, 8
const COORDS = rand(MersenneTwister(SEED), 2, N)
const INDUCING = select_inducing(COORDS, M; seed = SEED)
const TREE = CoverTree(COORDS; inducing = INDUCING, lengthscale = 0.2)

status_of(f) = try
    f()
    "RCT_OK"
catch error
    error isa RctError || rethrow()
    error.status
end

@testset "answers are those of brute force" begin
    expected = residual_distances(COORDS, INDUCING; lengthscale = 0.2)
    ids, found = vecchia_neighbors(TREE, K)
    @test size(ids) == size(found) == (K, N)
    @test all(ids[:, i] == nearest(expected[i, :], K, <(i)) for i in 1:N)
    @test all(ids[t, i] == 0 ? found[t, i] == Inf : isapprox(found[t, i], expected[i, ids[t, i]]; atol = 1e-7)
              for t in 1:K, i in 1:N)
    everywhere, _ = RCT.query(TREE, 1:N, K)
    @test all(everywhere[:, i] == nearest(expected[i, :], K, j -> true) for i in 1:N)
    @test RCT.query(TREE, 1:N, K; id_limit = collect(0:(N - 1)))[1] == ids
    @test RCT.query(TREE, 1:N, K; id_limit = 100)[1] == reduce(hcat, nearest(expected[i, :], K, <=(100)) for i in 1:N)
    others, _ = RCT.query(TREE, [3, 7], K; include_self = false)
    @test others == reduce(hcat, nearest(expected[i, :], K, !=(i)) for i in [3, 7])

    points = rand(MersenneTwister(SEED + 1), 2, 20)
    from_new = residual_distances(COORDS, INDUCING; lengthscale = 0.2, points)
    @test RCT.query(TREE, points, K)[1] == reduce(hcat, nearest(from_new[i, :], K, j -> true) for i in 1:20)
    near, _ = RCT.query(TREE, points, K; max_distance = 0.6)
    @test near == reduce(hcat, nearest(from_new[i, :], K, j -> from_new[i, j] < 0.6) for i in 1:20)

    lists, far = radius_query(TREE, [5, 6], 0.7)
    @test [sort(list) for list in lists] == [findall(<(0.7), expected[i, :]) for i in [5, 6]]
    @test all(issorted, far)
    @test RCT.distances(TREE, [1, 2], [3, 4]) ≈ [expected[1, 3], expected[2, 4]]
    @test 1 .- abs.(RCT.correlations(TREE, [1, 2], [3, 4])) ≈ [expected[1, 3], expected[2, 4]] .^ 2
    RCT.validate(TREE)
    @test (RCT.stats(TREE).n, RCT.stats(TREE).m, RCT.stats(TREE).d) == (N, M, 2)
    @test RCT.stats(TREE).plan == "brute force" && occursin("so few points", RCT.stats(TREE).plan_reason)
    @test length(TREE) == N
end

@testset "an order of the caller's" begin
    for method in (:natural, :hilbert, :maximin, :random)
        permutation = RCT.order(COORDS; method, seed = SEED)
        @test sort(permutation) == 1:N
        ids, _ = vecchia_neighbors(TREE, K; order = permutation)
        again = CoverTree(COORDS[:, permutation]; inducing = INDUCING, lengthscale = 0.2)
        moved, _ = vecchia_neighbors(again, K)
        @test ids == map(id -> id == 0 ? 0 : permutation[id], moved)
    end
end

@testset "any strides" begin
    expected, _ = vecchia_neighbors(TREE, K)
    rows = collect(COORDS')
    padded = zeros(4, 2N)
    padded[2:2:4, 1:2:end] = COORDS
    for coords in (rows', transpose(rows), view(padded, 2:2:4, 1:2:(2N)), view(COORDS[:, N:-1:1], :, N:-1:1),
                   BigFloat.(COORDS))
        @test coords == COORDS
        @test vecchia_neighbors(CoverTree(coords; inducing = INDUCING, lengthscale = 0.2), K)[1] == expected
    end
    large = rand(4, 100_000)
    RCT.order(large; method = :natural)
    @test (@allocated RCT.order(large'; method = :natural)) < sizeof(large)
    @test (@allocated RCT.order(large; method = :natural)) < sizeof(large)
end

@testset "settings" begin
    expected, _ = vecchia_neighbors(TREE, K)
    for setting in ((construction = :hybrid,), (ordering = :natural,), (traversal = :best_first,),
                    (traversal = :level_synchronous,), (traversal = :brute_force,), (threads = 1,))
        other = CoverTree(COORDS; inducing = INDUCING, lengthscale = 0.2, setting...)
        @test vecchia_neighbors(other, K)[1] == expected
    end
    own = CoverTree(COORDS; inducing = INDUCING, kernel = (x, y) -> matern32(distance(x, y, 0.2)))
    @test vecchia_neighbors(own, K)[1] == expected
    scaled = CoverTree(COORDS .* [1, 3]; inducing = INDUCING .* [1, 3], lengthscale = [0.2, 0.6])
    @test vecchia_neighbors(scaled, K)[1] == expected
    # What is one metric without inducing points.
    near = CoverTree(COORDS; metric = :correlation, lengthscale = 0.2)
    @test vecchia_neighbors(near, K)[1] == vecchia_neighbors(CoverTree(COORDS; metric = :euclidean), K)[1]
end

@testset "a factor of the caller's" begin
    v = 0.1 .* rand(MersenneTwister(SEED), 3, N)
    p = 1 .- vec(sum(abs2, v; dims = 1))
    one = CoverTree(COORDS; factor = v, lengthscale = 0.2)
    two = CoverTree(COORDS; factor = v, residual_variance = p, lengthscale = 0.2)
    @test vecchia_neighbors(one, K)[1] == vecchia_neighbors(two, K)[1]
    new = NewPoints(COORDS[:, 1:5], v[:, 1:5], p[1:5])
    @test RCT.query(two, new, K)[1][1, :] == 1:5
end

@testset "a tree that lives" begin
    present = setdiff(1:N, 1:7:N)
    by_id(found) = (map(number -> number == 0 ? 0 : present[number], found[1]), found[2])
    same(one, other) = one[1] == other[1] && all(isequal.(one[2], other[2]) .| isapprox.(one[2], other[2]; atol = 1e-7))
    grown() = begin
        tree = CoverTree(COORDS[:, 1:300]; inducing = INDUCING, lengthscale = 0.2)
        @test insert_points!(tree, COORDS[:, 301:320]) == 301:320
        insert_points!(tree, COORDS[:, 321:N])
        remove_points!(tree, 1:7:N)
    end
    as_built(tree; inducing = INDUCING, parameters...) = begin
        anew = CoverTree(COORDS[:, present]; inducing, parameters...)
        RCT.validate(tree)
        length(tree) == length(present) && same(vecchia_neighbors(tree, K), by_id(vecchia_neighbors(anew, K))) &&
            same(RCT.query(tree, present, K), by_id(RCT.query(anew, eachindex(present), K)))
    end
    tree = grown()
    @test as_built(tree; lengthscale = 0.2)
    @test refit_tree!(tree; kernel = :matern52, lengthscale = [0.2, 0.3], threads = 1) === tree
    @test as_built(tree; kernel = :matern52, lengthscale = [0.2, 0.3])
    refit_tree!(tree; inducing = INDUCING[:, 1:5], lengthscale = 0.2)
    @test as_built(tree; inducing = INDUCING[:, 1:5], kernel = :matern52, lengthscale = 0.2)
    refit_tree!(tree; inducing = INDUCING, kernel = (x, y) -> matern32(distance(x, y, 0.2)))
    GC.gc()
    @test as_built(tree; lengthscale = 0.2)
    @test status_of(() -> save_tree(IOBuffer(), tree)) == "RCT_ERROR_UNSUPPORTED"
    @test_throws ArgumentError("mine") refit_tree!(tree; kernel = (x, y) -> throw(ArgumentError("mine")))
    @test as_built(tree; lengthscale = 0.2)

    tree = grown()
    invalid = "RCT_ERROR_INVALID_ARGUMENT"
    @test status_of(() -> insert_points!(tree, COORDS[1:1, :])) == invalid
    @test status_of(() -> remove_points!(tree, [2, 8])) == invalid
    @test status_of(() -> remove_points!(tree, [2, 2])) == invalid
    @test status_of(() -> refit_tree!(tree; lengthscale = -1.0)) == invalid
    @test status_of(() -> refit_tree!(tree; lengthscales = 1.0)) == invalid
    @test_throws ArgumentError("mine") insert_points!(tree, COORDS; progress = f -> throw(ArgumentError("mine")))
    @test as_built(tree; lengthscale = 0.2)

    mktempdir() do folder
        path = joinpath(folder, "tree.rct")
        save_tree(path, tree)
        io = IOBuffer()
        save_tree(io, tree)
        bytes = take!(io)
        @test read(path) == bytes
        for other in (load_tree(path), load_tree(path; threads = 1, memory_map = true), load_tree(IOBuffer(bytes)))
            @test vecchia_neighbors(other, K) == vecchia_neighbors(tree, K)
            @test merge(RCT.parameters(other), (threads = 0,)) == merge(RCT.parameters(tree), (threads = 0,))
            refit_tree!(other; variance = 1.0)
            @test as_built(other; lengthscale = 0.2)
            @test insert_points!(other, COORDS[:, 1:1]) == (N + 1):(N + 1)
        end
        bytes[end ÷ 2] ⊻= 0x01
        @test status_of(() -> load_tree(IOBuffer(bytes))) == "RCT_ERROR_CORRUPT"
        @test status_of(() -> load_tree(joinpath(folder, "none.rct"))) == "RCT_ERROR_IO"
        @test status_of(() -> load_tree("a\0b")) == invalid
    end

    remove_points!(tree, present)
    @test length(tree) == 0 && RCT.query(tree, COORDS[:, 1:1], 1) == (fill(0, 1, 1), fill(Inf, 1, 1))
    @test RCT.stats(tree).parts == 0
    @test isempty(RCT.ids(tree))
end

@testset "errors" begin
    hole = copy(COORDS)
    hole[2, 6] = NaN
    invalid = "RCT_ERROR_INVALID_ARGUMENT"
    @test status_of(() -> CoverTree(hole; lengthscale = 0.2)) == "RCT_ERROR_NOT_FINITE"
    @test status_of(() -> CoverTree(COORDS; lengthscale = 0.0)) == invalid
    @test status_of(() -> CoverTree(COORDS; lengthscale = 0.2, metric = :manhattan)) == invalid
    @test status_of(() -> CoverTree(COORDS; lengthscale = 0.2, kernel = "rbf")) == invalid
    @test status_of(() -> CoverTree(COORDS; lengthscale = 0.2, threads = -1)) == invalid
    @test status_of(() -> RCT.query(TREE, [N + 1], 1)) == invalid
    @test status_of(() -> RCT.query(TREE, [0], 1)) == invalid
    @test status_of(() -> RCT.query(TREE, [1], 0)) == invalid
    @test status_of(() -> RCT.query(TREE, [1], -1)) == invalid
    @test status_of(() -> RCT.order(COORDS; method = :best)) == invalid
    @test status_of(() -> select_inducing(COORDS, N + 1)) == invalid
    @test status_of(() -> RCT.correlations(CoverTree(COORDS; metric = :euclidean), [1], [2])) == "RCT_ERROR_UNSUPPORTED"
    message = sprint(showerror, try CoverTree(hole; lengthscale = 0.2) catch error; error end)
    @test occursin("coords[2, 6] is NaN", message)
    said(f) = sprint(showerror, try f() catch error; error end)
    @test occursin("ids[1] is $(N + 1); ids go from 1 to $N", said(() -> RCT.query(TREE, [N + 1], 1)))
    @test occursin("coords has 3 rows; the tree has 2", said(() -> insert_points!(TREE, zeros(3, 1))))
    @test occursin("lengthscale is not given", said(() -> CoverTree(COORDS)))
    @test occursin("lengthscale is 0", said(() -> CoverTree(COORDS; lengthscale = 0)))
end

@testset "what a tree knows" begin
    @test RCT.ids(TREE) == 1:N
    @test RCT.parameters(TREE).lengthscale == 0.2 && RCT.parameters(TREE).kernel == :matern32
    scaled = CoverTree(COORDS; metric = :correlation, kernel = :rational_quadratic, lengthscale = [0.2, 0.3], alpha = 2)
    @test RCT.parameters(scaled).lengthscale == [0.2, 0.3] && RCT.parameters(scaled).alpha == 2
    @test RCT.parameters(CoverTree(COORDS; metric = :euclidean)).lengthscale === nothing
    own(x, y) = matern32(distance(x, y, 0.2))
    @test RCT.parameters(CoverTree(COORDS; kernel = own)).kernel === own

    inducing, lower = inducing_points(TREE)
    @test inducing == INDUCING && istril(lower)
    covariance(a, b) = [matern32(distance(x, y, 0.2)) for x in eachcol(a), y in eachcol(b)]
    @test lower * lower' ≈ covariance(INDUCING, INDUCING) + 1e-6 * I
    v, p = RCT.factor(TREE, 1:N)
    @test lower * v ≈ covariance(INDUCING, COORDS)
    @test p ≈ 1 .- vec(sum(abs2, v; dims = 1))
    @test all(RCT.factor(TREE, COORDS[:, 3:5]) .≈ (v[:, 3:5], p[3:5]))
    left = covariance(COORDS[:, 1:1], COORDS[:, 2:2])[1] - v[:, 1]' * v[:, 2]
    @test residual_covariances(TREE, [1, 4], [2, 4]) ≈ [left, p[4]]
end

@testset "empty batches" begin
    none = zeros(2, 0)
    for points in (Int[], [], none)
        @test RCT.query(TREE, points, K) == (zeros(Int, K, 0), zeros(K, 0))
        @test radius_query(TREE, points, 0.5) == ([], [])
        @test size.(RCT.factor(TREE, points)) == ((M, 0), (0,))
    end
    @test RCT.distances(TREE, Int[], Int[]) == RCT.correlations(TREE, [], []) == []
    @test residual_covariances(TREE, [], Int[]) == []
    tree = CoverTree(COORDS; lengthscale = 0.2)
    @test remove_points!(tree, Int[]) === tree && isempty(insert_points!(tree, none)) && length(tree) == N
    @test size.(inducing_points(tree)) == ((2, 0), (0, 0))
end

@testset "odd lengthscales" begin
    @test_logs CoverTree(COORDS; lengthscale = 0.2)
    tree = @test_logs (:warn, r"lengthscale") CoverTree(COORDS; lengthscale = 1e-7)
    @test RCT.stats(tree).lengthscale_check == :too_short && occursin("lengthscale", RCT.stats(tree).warning)
    @test_logs refit_tree!(tree; lengthscale = 0.2)
    @test RCT.stats(tree).lengthscale_check == :plausible && RCT.stats(tree).warning === nothing
    @test_logs (:warn, r"lengthscale") refit_tree!(tree; lengthscale = 1e9)
    @test RCT.stats(tree).lengthscale_check == :too_long
end

@testset "callbacks" begin
    fractions = Float64[]
    CoverTree(COORDS; inducing = INDUCING, lengthscale = 0.2, progress = f -> push!(fractions, f))
    @test issorted(fractions) && last(fractions) == 1
    failing = f -> throw(ArgumentError("mine"))
    @test_throws ArgumentError("mine") CoverTree(COORDS; lengthscale = 0.2, progress = failing)
    @test_throws ArgumentError("mine") CoverTree(COORDS; kernel = (x, y) -> throw(ArgumentError("mine")))
    broken = Ref(false)
    own = CoverTree(COORDS; kernel = (x, y) -> broken[] ? throw(ArgumentError("mine")) : matern32(distance(x, y, 0.2)))
    broken[] = true
    for call in (RCT.distances, RCT.correlations, residual_covariances)
        @test_throws ArgumentError("mine") call(own, [1], [2])
    end
    # One that waits is gone on with on its thread, and the task may move again afterwards.
    threads = Set{Int}()
    task = Threads.@spawn begin
        waiting(fraction) = (push!(threads, Threads.threadid()); sleep(0.001))
        CoverTree(COORDS; inducing = INDUCING, lengthscale = 0.2, progress = waiting)
        current_task().sticky
    end
    @test fetch(task) == false && length(threads) == 1
    # Ctrl-C from a progress function, as it would come from the keyboard.
    @test_throws InterruptException CoverTree(COORDS; lengthscale = 0.2, progress = f -> throw(InterruptException()))
end

@testset "many tasks ask one tree" begin
    expected, _ = vecchia_neighbors(TREE, K)
    tasks = [Threads.@spawn vecchia_neighbors(TREE, K)[1] for _ in 1:8]
    @test all(fetch(task) == expected for task in tasks)
    for _ in 1:20
        CoverTree(COORDS; lengthscale = 0.2)
    end
    GC.gc()
    @test vecchia_neighbors(TREE, K)[1] == expected
end
