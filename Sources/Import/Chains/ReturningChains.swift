// SPDX-License-Identifier: Apache-2.0

/// Which chains may end a layer: those with a rule that returns before their end, and those that jump into such a one.
struct ReturningChains {
    private var ends: [String: Bool] = [:]
    /// The last rule of each chain that leads into one that may end a layer.
    private var lastEnds: [String: Int] = [:]

    init(_ chains: [String: FilterChain]) {
        var open: Set<String> = []
        for name in chains.keys.sorted() { _ = mayEnd(name, chains, &open) }
    }

    /// -1 if there is none. What returns after that rule leaves no other layer's end behind.
    func lastEnd(in chain: String) -> Int { lastEnds[chain] ?? -1 }

    private mutating func mayEnd(_ name: String, _ chains: [String: FilterChain], _ open: inout Set<String>) -> Bool {
        if let known = ends[name] { return known }
        // A loop, or deeper than the walk goes: it is refused there.
        guard open.count <= ChainDepth.most, open.insert(name).inserted else { return true }
        defer { open.remove(name) }
        var result = false
        for (index, rule) in (chains[name]?.rules ?? []).enumerated() {
            switch rule.verdict {
            case .return: result = true
            case .jump(let next), .goto(let next):
                guard mayEnd(next, chains, &open) else { continue }
                lastEnds[name] = index
                result = true
            default: break
            }
        }
        ends[name] = result
        return result
    }
}

/// How deep chains may jump into each other.
enum ChainDepth {
    static let most = 64
}
