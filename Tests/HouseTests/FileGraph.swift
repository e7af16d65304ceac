// SPDX-License-Identifier: Apache-2.0

/// Which file of a module uses what another one declares at its top level. Members are not followed: an extension may
/// add to a type of a file below it.
struct FileGraph {
    /// A file's declarations and what else it mentions.
    private struct File {
        /// What other files may use.
        var declared: Set<String> = []
        /// What only this file sees.
        var hidden: Set<String> = []
        var mentioned: Set<String> = []

        init(_ text: String) {
            let words = SwiftWords(text).words
            var isHidden = false
            for (word, next) in zip(words, words.dropFirst()) where word.depth == 0 {
                switch word.text {
                case "private", "fileprivate": isHidden = true
                case "extension": isHidden = false
                case let keyword where File.declarators.contains(keyword) && next.depth == 0:
                    if isHidden { hidden.insert(next.text) } else { declared.insert(next.text) }
                    isHidden = false
                default: break
                }
            }
            mentioned = Set(words.filter { !$0.isMember }.map(\.text)).subtracting(declared).subtracting(hidden)
        }

        private static let declarators: Set = [
            "struct", "class", "enum", "protocol", "actor", "typealias", "func", "let", "var",
        ]
    }

    /// The names that a file uses of each other file.
    private(set) var uses: [String: [String: Set<String>]] = [:]

    /// - Parameter texts: By the files' names.
    init(_ texts: [String: String]) {
        let files = texts.mapValues { File($0) }
        var owners: [String: [String]] = [:]
        for (name, file) in files {
            for word in file.declared { owners[word, default: []].append(name) }
        }
        for (name, file) in files {
            var others: [String: Set<String>] = [:]
            for word in file.mentioned {
                // A name that several files declare tells nothing.
                guard let owner = owners[word], owner.count == 1 else { continue }
                others[owner[0], default: []].insert(word)
            }
            uses[name] = others
        }
    }

    /// The groups of files each of which uses, by way of others or not, all of its group.
    var cycles: [[String]] {
        let reached = Dictionary(uniqueKeysWithValues: uses.keys.map { ($0, reachable(from: $0)) })
        var seen: Set<String> = []
        return uses.keys.sorted().compactMap { file in
            guard !seen.contains(file), let mine = reached[file], mine.contains(file) else { return nil }
            let cycle = mine.filter { reached[$0]?.contains(file) ?? false }
            seen.formUnion(cycle)
            return cycle.sorted()
        }
    }

    private func reachable(from file: String) -> Set<String> {
        var found: Set<String> = []
        var rest = [file]
        while let next = rest.popLast() {
            for other in uses[next, default: [:]].keys where found.insert(other).inserted { rest.append(other) }
        }
        return found
    }

    /// Who uses what of whom within a cycle, a line each.
    func words(_ cycle: [String]) -> String {
        let lines = cycle.flatMap { file in
            cycle.compactMap { other in
                uses[file]?[other].map { "\(file) uses \($0.sorted().joined(separator: ", ")) of \(other)" }
            }
        }
        return lines.joined(separator: "\n")
    }
}
