// SPDX-License-Identifier: Apache-2.0

/// The parts of `explain --json` that tests ask for.
struct Explained: Decodable {
    struct Hop: Decodable, Equatable {
        var port: String
        var direction: String
        var verdict: String
    }
    struct Way: Decodable {
        var verdict: String
        var hops: [Hop]
        var assumed: [String]

        var words: [String] { hops.map { "\($0.direction) at \($0.port)" } }
    }
    struct Obstacle: Decodable {
        var kind: String
        var name: String
        var interface: String?

        var words: String { "\(kind) \(interface ?? "-"): \(name)" }
    }
    struct Unseen: Decodable {
        var netns: String?
        var why: String
    }
    var verdict: String
    var hops: [Hop]
    var end: String?
    var assumed: [String]?
    /// Where there are several.
    var ways: [Way]?
    var live: [Obstacle]?
    var unseen: [Unseen]?

    var words: [String] { hops.map { "\($0.direction) at \($0.port)" } }
}
