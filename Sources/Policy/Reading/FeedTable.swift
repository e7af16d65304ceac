// SPDX-License-Identifier: Apache-2.0
import Network

/// The files of addresses that groups name, each read once.
final class FeedTable {
    /// The most bytes of all files together.
    private let sizeLimit: Int
    /// The most bad lines of one file that are reported one by one.
    static let reportLimit = 50

    private let files: any PolicyFiles
    private let problems: Problems
    private var sets: [String: AddressSet] = [:]
    private var bytesRead = 0
    /// Whether a file was asked for.
    var hasRead: Bool { !sets.isEmpty }
    /// Addresses that a feed should not contain, and what they are.
    private let doubtful: [(set: AddressSet, what: String)]

    init(
        files: any PolicyFiles, ports: AddressSet, host: AddressSet, sizeLimit: Int = AddressFile.sizeLimit,
        _ problems: Problems
    ) {
        self.files = files
        self.sizeLimit = sizeLimit
        self.problems = problems
        doubtful = [
            (ports, "addresses of this policy's ports"), (host, "this host's own addresses"),
            (WellKnown.privateUse, "private addresses"),
        ]
    }

    /// The addresses in a file. Errors are reported at `location` or at the line of the file.
    func set(_ path: String, at location: SourceLocation) -> AddressSet {
        if let known = sets[path] { return known }
        sets[path] = .empty
        // Over the limit, which is reported once, nothing more is read.
        guard bytesRead <= sizeLimit else { return .empty }
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try files.read(path, limit: sizeLimit, from: .regularFile)
        } catch {
            problems.error(location, "the file \"\(path)\" \(error)")
            return .empty
        }
        bytesRead += bytes.count
        guard bytesRead <= sizeLimit else {
            problems.error(
                location,
                "with the file \"\(path)\" the policy's files of addresses are larger than "
                    + "\(sizeLimit >> 20) MiB together, the most that is read")
            return .empty
        }
        let set = read(bytes, path)
        sets[path] = set
        for (doubt, what) in doubtful { warn(about: doubt, what, set, bytes, path) }
        return set
    }

    private func read(_ bytes: [UInt8], _ path: String) -> AddressSet {
        var gathering = Gathering()
        var bad = 0
        let summary = AddressFile.read(bytes) { prefix, _ in
            gathering.add(prefix)
        } refuse: { line in
            bad += 1
            if bad > FeedTable.reportLimit { return }
            let place = SourceLocation(file: path, line: line.line, column: line.column)
            if let text = line.text {
                if AddressRange.isForm(of: text) {
                    _ = problems.range(text, at: place)
                } else {
                    _ = problems.prefix(text, at: place)
                }
            } else {
                problems.error(place, "this line is not an IPv4 or IPv6 address or prefix")
            }
        }
        if bad > FeedTable.reportLimit {
            let place = SourceLocation(file: path, line: summary.lines, column: 1)
            problems.error(place, "\(bad - FeedTable.reportLimit) more lines of the file are not addresses or prefixes")
        }
        if summary.maskedLines > 0 {
            let more = summary.maskedLines == 1 ? "" : "; \(summary.maskedLines) lines of the file have"
            problems.warning(
                SourceLocation(file: path, line: summary.firstMaskedLine, column: 1),
                "the line has bits set beyond its prefix length, which are taken for zero\(more)")
        }
        return gathering.finish()
    }

    /// Reads the file a second time if there is something to report: keeping each address with its line would take ten
    /// times the file's size.
    private func warn(about doubt: AddressSet, _ what: String, _ set: AddressSet, _ bytes: [UInt8], _ path: String) {
        guard !doubt.isEmpty, !set.intersection(doubt).isEmpty else { return }
        var first: (prefix: Prefix, line: Int)?
        var count = 0
        AddressFile.read(bytes) { prefix, line in
            guard doubt.intersects(prefix) else { return }
            if first == nil { first = (prefix, line) }
            count += 1
        } refuse: { _ in
        }
        guard let first else { return }
        let more = count == 1 ? "" : "; \(count) lines of the file do"
        problems.warning(
            SourceLocation(file: path, line: first.line, column: 1), "\(first.prefix) overlaps \(what)\(more)")
    }
}

/// A set that grows by single prefixes. Repeated prefixes do not make it larger.
private struct Gathering {
    private var set = AddressSet.empty
    private var pending: [Prefix] = []

    mutating func add(_ prefix: Prefix) {
        pending.append(prefix)
        // The larger the set, the less often it is merged.
        if pending.count >= 1 << 16, pending.count >= set.v4.count + set.v6.count { merge() }
    }

    mutating func finish() -> AddressSet {
        merge()
        return set
    }

    private mutating func merge() {
        set = set.union(AddressSet(pending))
        pending.removeAll(keepingCapacity: true)
    }
}
