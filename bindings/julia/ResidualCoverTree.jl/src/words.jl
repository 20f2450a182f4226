# Sentences of the library in the words of Julia, here and nowhere else: what is numbered counts from 1, a matrix has a
# column where the library has a row, and arguments have their names in this package.

# In what is put in place of a pattern `\1` is its first group, and `{1}` the number in that group plus 1.
const WORDS = [
    # Elements of matrices, by row and column, and shapes.
    r"\b(coords|inducing|factor)\[(\d+), (\d+)\]" => "\\1[{3}, {2}]",
    r"\b(\d+) x (\d+)\b(?! values)" => "\\2 x \\1",
    r"\bhas shape \[(\d+), (\d+)\]" => "has shape [\\2, \\1]",
    # Ids, with where they stand.
    r"\b(i|j|ids|order)\[(\d+)\] is (-?\d+)" => "\\1[{2}] is {3}",
    r"\bids go from 0 to (\d+)" => "ids go from 1 to {1}",
    r"\bids has (\d+) twice" => "ids has {1} twice",
    r"\b(point|parent|descendant) (\d+)" => "\\1 {2}",
    r"\bcoordinate (\d+) of" => "coordinate {1} of",
    r"\bpoints (\d+) and (\d+)" => "points {1} and {2}",
    r"\bfor (\d+) and (\d+)" => "for {1} and {2}",
    # Elements of vectors; a limit is the last id that is allowed, which is the library's number.
    r"\b(lengthscale|residual_variance|id_limit|max_distance)s\[(\d+)\]" => "\\1[{2}]",
    r"\b(lengthscale|residual_variance|id_limit|max_distance)s\b" => "\\1",
    r"^covariance callback\b" => "kernel",
    r"^lengthscale is not given: .*" =>
        "lengthscale is not given: name it, one number or d, in the unit of the coordinates: lengthscale = 0.2",
]
const TRANSPOSED = Dict("row" => "column", "rows" => "columns", "column" => "row", "columns" => "rows")

function in_julia(message)
    for (pattern, words) in WORDS
        message = replace(message, pattern => found -> filled(words, match(pattern, found).captures))
    end
    return replace(message, r"\b(rows?|columns?)\b" => word -> TRANSPOSED[word])
end

"""`words` with the groups of a pattern in its holes."""
filled(words, groups) = replace(words, r"\\\d|\{\d\}" => hole -> begin
    group = groups[parse(Int, hole[2])]
    startswith(hole, '{') ? string(parse(Int128, group) + 1) : group
end)
