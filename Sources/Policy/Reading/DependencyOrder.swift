// SPDX-License-Identifier: Apache-2.0

/// A topological order: each item comes after the items that it refers to.
struct DependencyOrder {
    /// All items that are neither in a cycle nor refer to one.
    private(set) var sorted: [Int] = []
    /// Each cycle once, its items in the order of their references.
    private(set) var cycles: [[Int]] = []

    /// - Parameter edges: For each item, by index, the items that it refers to.
    init(_ edges: [[Int]]) {
        var missing = edges.map(\.count)
        var users: [[Int]] = Array(repeating: [], count: edges.count)
        for (index, targets) in edges.enumerated() {
            for target in targets { users[target].append(index) }
        }
        sorted = edges.indices.filter { missing[$0] == 0 }
        var next = 0
        while next < sorted.count {
            for user in users[sorted[next]] {
                missing[user] -= 1
                if missing[user] == 0 { sorted.append(user) }
            }
            next += 1
        }
        findCycles(edges, missing)
    }

    /// Each remaining item refers to another remaining item, so following the references must end in a cycle.
    private mutating func findCycles(_ edges: [[Int]], _ missing: [Int]) {
        var visit = Array(repeating: -1, count: edges.count)
        for start in edges.indices where missing[start] > 0 && visit[start] < 0 {
            var path: [Int] = []
            var current = start
            while visit[current] < 0 {
                visit[current] = start
                path.append(current)
                current = edges[current].first { missing[$0] > 0 } ?? current
            }
            if visit[current] == start, let first = path.firstIndex(of: current) {
                cycles.append(Array(path[first...]))
            }
        }
    }
}
