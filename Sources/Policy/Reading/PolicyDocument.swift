// SPDX-License-Identifier: Apache-2.0

/// The files of a policy as one document: mappings merged, lists joined in include order.
struct PolicyDocument {
    var files: [SourceFile] = []
    var ports: [Node.Entry] = []
    var groups: [Node.Entry] = []
    var services: [Node.Entry] = []
    var defaults: [Node.Entry] = []
    var rules = LayeredRules()
    var assertions: [Node] = []
    /// The bytes of the lines of `rules` in the policy's own file; nil if rules may stand elsewhere too.
    var rulesText: Range<Int>?
}

/// Reads a policy's file and the files that it includes.
struct DocumentLoader {
    static let depthLimit = 16
    static let fileLimit = 1000
    /// The most bytes of all files of a policy together.
    static let totalLimit = 128 << 20

    static let includeKeys = ["files", "layers"]
    static let keys = [
        "version", "include", "ports", "groups", "services", "defaults", "layers", "rules", "assertions",
    ]

    private let files: any PolicyFiles
    private let problems: Problems
    private var document = PolicyDocument()
    private var bytes = 0
    /// Every file read so far, and where it is included.
    private var places: [String: SourceLocation] = [:]
    private var maps: [String: [String: SourceLocation]] = [:]

    /// nil if the policy's own file cannot be read as a document.
    static func load(_ path: String, _ files: any PolicyFiles, _ problems: Problems) -> PolicyDocument? {
        var loader = DocumentLoader(files: files, problems: problems)
        let start = SourceLocation(file: path, line: 1, column: 1)
        loader.places[Path.join(".", path)] = start
        return loader.load(path, from: nil, chain: [Path.join(".", path)]) ? loader.document : nil
    }

    private init(files: any PolicyFiles, problems: Problems) {
        self.files = files
        self.problems = problems
    }

    /// Reads one file. The files that it includes come before its own contents, but for its layers: their order, and
    /// the rules that it has in them, come before those of the files that it includes.
    ///
    /// - Parameter scope: The layers that the file may add to; nil: any.
    private mutating func load(
        _ path: String, from includer: SourceLocation?, _ scope: Set<String>? = nil, chain: [String]
    ) -> Bool {
        guard let fields = fields(path, from: includer) else { return false }
        checkVersion(fields, isRequired: includer == nil)
        if let node = fields["layers"] { document.rules.add(layers: node, scope, problems) }
        if let include = fields["include"], !include.isNothing {
            for node in include.items { self.include(node, scope, chain: chain) }
        }
        merge(fields["ports"], "ports", into: \.ports)
        merge(fields["groups"], "groups", into: \.groups)
        merge(fields["services"], "services", into: \.services)
        merge(fields["defaults"], "defaults", into: \.defaults)
        if let node = fields["rules"], let rules = list(node, "rules") {
            document.rules.add(rules, at: node, scope, problems)
        }
        document.assertions += list(fields["assertions"], "assertions") ?? []
        return true
    }

    private mutating func fields(_ path: String, from includer: SourceLocation?) -> Fields? {
        let start = SourceLocation(file: path, line: 1, column: 1)
        var content: [UInt8]
        do throws(FileError) {
            content = try files.read(
                path, limit: YAMLReader.sizeLimit, from: includer == nil ? .fileOrPipe : .regularFile)
        } catch {
            let subject = includer == nil ? "the policy" : "the included file \"\(path)\""
            problems.error(includer ?? start, "\(subject) \(error)")
            return nil
        }
        bytes += content.count
        guard bytes <= DocumentLoader.totalLimit else {
            problems.error(
                includer ?? start,
                "the policy's files are larger than \(DocumentLoader.totalLimit >> 20) MiB together")
            return nil
        }
        guard let text = String(validating: content, as: UTF8.self) else {
            let (line, column) = YAMLError.position(of: DocumentLoader.firstBadByte(content), in: content)
            problems.error(SourceLocation(file: path, line: line, column: column), "the text is not UTF-8")
            return nil
        }
        // As it is on disk, so that its hash is the file's.
        document.files.append(SourceFile(name: path, text: text))
        let hasMark = content.starts(with: [0xef, 0xbb, 0xbf])
        if hasMark { content.removeFirst(3) }
        guard let read = YAMLReader.read(content, file: path, problems) else { return nil }
        document.rulesText = document.files.count == 1 && !hasMark ? read.rulesText : nil
        return Fields(read.root, "a policy", keys: DocumentLoader.keys, problems)
    }

    private func checkVersion(_ fields: Fields, isRequired: Bool) {
        guard let version = fields["version"] else {
            if isRequired { problems.error(fields.location, "the policy has no \"version: 1\"") }
            return
        }
        if case .scalar("1", _) = version.content { return }
        problems.error(version.location, "expected version 1, found \(version.kind)")
    }

    /// Includes the files of one item: a path, or `{ files, layers }`, which names the layers that they may add to.
    private mutating func include(_ node: Node, _ outer: Set<String>?, chain: [String]) {
        guard case .mapping = node.content else {
            include(files: node, outer, chain: chain)
            return
        }
        guard let fields = Fields(node, "an include", keys: DocumentLoader.includeKeys, problems) else { return }
        guard let files = fields["files"], let layers = fields["layers"] else {
            problems.error(node.location, "an include with layers has \"files\" and \"layers\"")
            return
        }
        let scope = Set(layers.items.compactMap { problems.name($0, "the layer name") })
        for file in files.items { include(files: file, outer?.intersection(scope) ?? scope, chain: chain) }
    }

    private mutating func include(files node: Node, _ scope: Set<String>?, chain: [String]) {
        guard let pattern = problems.text(node, "the path of a file to include") else { return }
        let path = Path.join(Path.directory(of: node.location.file), pattern)
        for file in expand(path, at: node.location) {
            let identity = Path.join(".", file)
            if chain.contains(identity) {
                problems.error(
                    node.location, "\"\(file)\" includes itself: \((chain + [identity]).joined(separator: " > "))")
            } else if let first = places[identity] {
                problems.error(node.location, "\"\(file)\" is included twice; first at \(first)")
            } else if chain.count >= DocumentLoader.depthLimit {
                problems.error(node.location, "includes are nested more than \(DocumentLoader.depthLimit) deep")
            } else if places.count >= DocumentLoader.fileLimit {
                problems.error(node.location, "the policy has more than \(DocumentLoader.fileLimit) files")
            } else {
                places[identity] = node.location
                _ = load(file, from: node.location, scope, chain: chain + [identity])
            }
        }
    }

    /// The files that match a pattern, sorted; a plain path unchanged.
    private func expand(_ path: String, at location: SourceLocation) -> [String] {
        guard Glob.isPattern(path) else { return [path] }
        var found = [path.hasPrefix("/") ? "/" : ""]
        for part in path.split(separator: "/").map(String.init) {
            guard Glob.isPattern(part) else {
                found = found.map { $0.isEmpty || $0 == "/" ? $0 + part : $0 + "/" + part }
                continue
            }
            guard let glob = Glob(part) else {
                problems.error(location, "\"\(part)\" is not a pattern: a bracket is not closed")
                return []
            }
            found = found.flatMap { matches(glob, showsHidden: part.hasPrefix("."), in: $0) }
        }
        if found.isEmpty { problems.warning(location, "\"\(path)\" matches no file") }
        return found
    }

    private func matches(_ glob: Glob, showsHidden: Bool, in directory: String) -> [String] {
        let names = (try? files.names(in: directory.isEmpty ? "." : directory)) ?? []
        return names.filter { glob.matches($0) && (showsHidden || !$0.hasPrefix(".")) }.sorted()
            .map { directory.isEmpty || directory == "/" ? directory + $0 : directory + "/" + $0 }
    }

    /// Adds a mapping's entries. A key that another file has already is reported with both places.
    private mutating func merge(
        _ node: Node?, _ section: String, into keyPath: WritableKeyPath<PolicyDocument, [Node.Entry]>
    ) {
        guard let node, !node.isNothing else { return }
        guard case .mapping(let entries) = node.content else {
            problems.error(node.location, "\"\(section)\" must be a mapping, found \(node.kind)")
            return
        }
        for entry in entries {
            if let first = maps[section, default: [:]].updateValue(entry.keyLocation, forKey: entry.key) {
                maps[section]?[entry.key] = first
                problems.error(entry.keyLocation, "duplicate key \"\(entry.key)\"; first at \(first)")
            } else {
                document[keyPath: keyPath].append(entry)
            }
        }
    }

    private func list(_ node: Node?, _ section: String) -> [Node]? {
        guard let node, !node.isNothing else { return nil }
        if case .sequence(let items) = node.content { return items }
        problems.error(node.location, "\"\(section)\" must be a list, found \(node.kind)")
        return nil
    }

    /// The offset of the first byte that is not valid UTF-8.
    private static func firstBadByte(_ bytes: [UInt8]) -> Int {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var offset = 0
        while case .scalarValue(let scalar) = decoder.decode(&iterator) { offset += UTF8.width(scalar) }
        return offset
    }
}
