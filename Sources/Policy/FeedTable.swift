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
        var result: [(prefix: Prefix, line: Int)] = []
        var bad = 0
        var number = 0
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != UInt8(ascii: "\n") { end += 1 }
            number += 1
            let content = FeedTable.content(bytes, start..<end)
            let column = content.lowerBound - start + 1
            start = end + 1
            if content.isEmpty { continue }
            if let prefix = try? Prefix(parsing: bytes.span.extracting(content)) {
                result.append((prefix, number))
                continue
            }
            bad += 1
            if bad <= FeedTable.reportLimit {
                let text = String(decoding: bytes[content], as: UTF8.self)
                let shown = text.count > 60 ? "\(text.prefix(60))..." : text
                _ = problems.prefix(shown, at: SourceLocation(file: path, line: number, column: column))
            }
        }
        if bad > FeedTable.reportLimit {
            let place = SourceLocation(file: path, line: number, column: 1)
            problems.error(place, "\(bad - FeedTable.reportLimit) more lines of the file are no addresses")
        }
        return result
    }

    /// A line without its comment and the space around.
    private static func content(_ bytes: [UInt8], _ line: Range<Int>) -> Range<Int> {
        var first = line.lowerBound
        var last = first
        while last < line.upperBound, bytes[last] != UInt8(ascii: "#"), bytes[last] != UInt8(ascii: ";") { last += 1 }
        while first < last, isSpace(bytes[first]) { first += 1 }
        while last > first, isSpace(bytes[last - 1]) { last -= 1 }
        return first..<last
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

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
