// SPDX-License-Identifier: Apache-2.0

/// Finds the name that the user probably meant.
public enum NearestName {
    /// The name with the smallest edit distance, if that is at most a third of the length of `name` (at least one edit
    /// is always allowed).
    public static func of(_ name: String, among names: some Sequence<String>) -> String? {
        let target = Array(name.lowercased().utf8)
        guard !target.isEmpty, target.count <= 64 else { return nil }
        var best: (name: String, distance: Int)?
        for candidate in names {
            let limit = (best?.distance ?? max(1, target.count / 3) + 1) - 1
            guard limit >= 0, abs(candidate.utf8.count - target.count) <= limit else { continue }
            let distance = distance(target, Array(candidate.lowercased().utf8))
            if distance <= limit { best = (candidate, distance) }
        }
        return best?.name
    }

    /// The edit distance: insertions, removals, replacements and swaps of neighbouring bytes count one each.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in left.indices {
            var current = [row + 1]
            for column in right.indices {
                let same = left[row] == right[column]
                var cost = min(last[column] + (same ? 0 : 1), last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    cost = min(cost, beforeLast[column - 1] + 1)
                }
                current.append(cost)
            }
            beforeLast = last
            last = current
        }
        return last[right.count]
    }
}
