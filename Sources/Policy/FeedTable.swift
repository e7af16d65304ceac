import Network

/// Files of addresses, each read once.
final class FeedTable {
    /// Bytes of one file.
    static let sizeLimit = 256 << 20
    /// Bad lines of one file that are reported one by one.
    static let reportLimit = 50

    private let files: any PolicyFiles
    private let problems: Problems
    private var sets: [String: AddressSet] = [:]
    /// What a feed is not expected to hold, and in words.
    private let doubtful: [(set: AddressSet, what: String)]

    init(files: any PolicyFiles, ports: AddressSet, host: AddressSet, _ problems: Problems) {
        self.files = files
        self.problems = problems
        doubtful = [
            (ports, "addresses of this policy's ports"), (host, "this host's own addresses"),
            (WellKnown.privateUse, "private addresses"),
        ]
    }

    /// The addresses of a file; what is wrong is reported, at `location` or at the file's own line.
    func set(_ path: String, at location: SourceLocation) -> AddressSet {
        if let known = sets[path] { return known }
        sets[path] = .empty
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try files.read(path, limit: FeedTable.sizeLimit)
        } catch {
            problems.error(location, "the file \"\(path)\" \(error)")
            return .empty
        }
        let lines = read(bytes, path)
        let set = AddressSet(lines.lazy.map(\.prefix))
        sets[path] = set
        for (doubt, what) in doubtful { warn(about: doubt, what, set, lines, path) }
        return set
    }

    private func read(_ bytes: [UInt8], _ path: String) -> [(prefix: Prefix, line: Int)] {
        var bad = 0
        let (addresses, lines) = AddressFile.read(bytes) { line in
            bad += 1
            if bad <= FeedTable.reportLimit {
                let place = SourceLocation(file: path, line: line.line, column: line.column)
                _ = problems.prefix(line.text, at: place)
            }
        }
        if bad > FeedTable.reportLimit {
            let place = SourceLocation(file: path, line: lines, column: 1)
            problems.error(place, "\(bad - FeedTable.reportLimit) more lines of the file are no addresses")
        }
        return addresses
    }

    private func warn(
        about doubt: AddressSet, _ what: String, _ set: AddressSet, _ lines: [(prefix: Prefix, line: Int)],
        _ path: String
    ) {
        guard !doubt.isEmpty, !set.intersection(doubt).isEmpty else { return }
        let found = lines.filter { doubt.intersects($0.prefix) }
        guard let first = found.first else { return }
        let more = found.count == 1 ? "" : " (and so do \(found.count - 1) more of its lines)"
        problems.warning(
            SourceLocation(file: path, line: first.line, column: 1), "\(first.prefix) holds \(what)\(more)")
    }
}
