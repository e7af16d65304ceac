// SPDX-License-Identifier: Apache-2.0

/// Reads one YAML document into nodes. Reports duplicate keys, and limits the size: what an alias repeats counts each
/// time.
package struct YAMLReader {
    /// The most bytes of a document.
    static let sizeLimit = 64 << 20
    /// The most nodes of a document, with its aliases expanded.
    static let nodeLimit = 8_000_000
    /// The deepest nesting of lists and mappings.
    static let depthLimit = 64

    /// A subtree that aliases may repeat.
    private struct Anchor {
        var node: Node
        var nodes: Int
        var depth: Int
    }

    private let file: FileName
    private let problems: Problems
    private var events: YAMLEvents
    private var anchors: [String: Anchor] = [:]
    private var nodes = 0
    /// The deepest nesting reached since the innermost anchored subtree began.
    private var deepest = 0

    /// A document's root, and the bytes of the lines of `rules` if each rule has a line of its own there.
    package struct Document {
        package var root: Node
        var rulesText: Range<Int>?
    }

    /// nil if the text is empty or not YAML; the cause is then reported.
    package static func read(_ bytes: [UInt8], file: String, _ problems: Problems) -> Document? {
        if let items = OneLineItems(bytes, key: "rules", file: file), let root = read(items, file) {
            return Document(root: root, rulesText: items.left == 0 ? items.lines : nil)
        }
        return readAll(bytes, file: file, problems).map { Document(root: $0) }
    }

    /// Reads the rest of a document with libyaml and puts the items back in. nil if libyaml must read the whole
    /// document, to judge it or to report what is wrong.
    private static func read(_ items: OneLineItems, _ file: String) -> Node? {
        let problems = Problems()
        var reader = YAMLReader(file: file, problems: problems, events: YAMLEvents(items.rest))
        reader.nodes = items.nodes
        guard let document = try? reader.document(), !problems.hasErrors else { return nil }
        return items.joined(to: document, spans: reader.events.spans)
    }

    /// Reads a document with libyaml alone.
    static func readAll(_ bytes: [UInt8], file: String, _ problems: Problems) -> Node? {
        var reader = YAMLReader(file: file, problems: problems, events: YAMLEvents(bytes))
        do throws(YAMLError) {
            if let root = try reader.document(), !root.isNothing { return root }
            problems.error(
                SourceLocation(file: file, line: 1, column: 1),
                "the file is empty; a policy starts with \"version: 1\"")
            return nil
        } catch {
            let error = error.explained(by: bytes)
            problems.error(SourceLocation(file: file, line: error.line, column: error.column), error.message)
            return nil
        }
    }

    private init(file: String, problems: Problems, events: YAMLEvents) {
        self.file = FileName(file)
        self.problems = problems
        self.events = events
    }

    private mutating func document() throws(YAMLError) -> Node? {
        var event = try events.next()
        if event.kind == .end { return nil }
        event = try events.next()
        let root = try node(event, depth: 0)
        event = try events.next()
        guard event.kind == .end else {
            throw YAMLError(event, "a policy is one YAML document, but another one starts here")
        }
        return root
    }

    private mutating func node(_ event: YAMLEvent, depth: Int) throws(YAMLError) -> Node {
        if event.hasTag {
            throw YAMLError(
                event,
                "YAML tags, which start with \"!\", are not part of the policy language; all but some addresses are "
                    + "{ except: ADDRESSES }")
        }
        if event.kind == .alias { return try alias(event, depth: depth) }
        nodes += 1
        guard nodes <= YAMLReader.nodeLimit else { throw YAMLReader.tooManyNodes(event) }
        guard depth <= YAMLReader.depthLimit else { throw YAMLReader.tooDeep(event) }
        let before = (nodes: nodes, deepest: deepest)
        deepest = depth
        let result = Node(content: try content(event, depth: depth), location: location(event))
        if let name = event.anchor {
            anchors[name] = Anchor(node: result, nodes: nodes - before.nodes + 1, depth: deepest - depth)
        }
        deepest = max(deepest, before.deepest)
        return result
    }

    private mutating func content(_ event: YAMLEvent, depth: Int) throws(YAMLError) -> Node.Content {
        switch event.kind {
        case .sequenceStart:
            var items: [Node] = []
            var next = try events.next()
            while next.kind != .sequenceEnd {
                items.append(try node(next, depth: depth + 1))
                next = try events.next()
            }
            return .sequence(items)
        case .mappingStart:
            return .mapping(try entries(depth: depth))
        default:
            return .scalar(event.text, isPlain: event.isPlain)
        }
    }

    private mutating func entries(depth: Int) throws(YAMLError) -> [Node.Entry] {
        var entries: [Node.Entry] = []
        var places: [String: SourceLocation] = [:]
        var next = try events.next()
        while next.kind != .mappingEnd {
            let key = try node(next, depth: depth + 1)
            let value = try node(try events.next(), depth: depth + 1)
            next = try events.next()
            guard case .scalar(let text, _) = key.content else {
                problems.error(key.location, "a key must be a word, found \(key.kind)")
                continue
            }
            if let first = places.updateValue(key.location, forKey: text) {
                places[text] = first
                problems.error(key.location, "duplicate key \"\(text)\"; first at \(first)")
                continue
            }
            entries.append(Node.Entry(key: text, keyLocation: key.location, value: value))
        }
        return entries
    }

    private mutating func alias(_ event: YAMLEvent, depth: Int) throws(YAMLError) -> Node {
        guard let anchor = anchors[event.text] else {
            throw YAMLError(event, "the alias \"*\(event.text)\" refers to no earlier anchor")
        }
        nodes += anchor.nodes
        guard nodes <= YAMLReader.nodeLimit else { throw YAMLReader.tooManyNodes(event) }
        guard depth + anchor.depth <= YAMLReader.depthLimit else { throw YAMLReader.tooDeep(event) }
        deepest = max(deepest, depth + anchor.depth)
        return anchor.node
    }

    private func location(_ event: YAMLEvent) -> SourceLocation {
        SourceLocation(file, line: event.line, column: event.column)
    }

    private static func tooManyNodes(_ event: YAMLEvent) -> YAMLError {
        YAMLError(event, "the document has more than \(nodeLimit) values when its aliases are expanded")
    }

    private static func tooDeep(_ event: YAMLEvent) -> YAMLError {
        YAMLError(event, "lists and mappings are nested more than \(depthLimit) deep")
    }
}
