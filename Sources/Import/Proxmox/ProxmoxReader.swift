// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// Reads the files of pve-firewall, and of the guests and the cluster that they are about. The name of a file says
/// which it is.
struct ProxmoxReader {
    private enum Section {
        case none
        case options
        case aliases
        case rules
        case set(String)
        case group(String)
    }

    private(set) var objects = ProxmoxObjects()
    private var hasRules = false

    static func read(_ sources: [ImportSource]) throws(ImportError) -> ProxmoxObjects {
        var reader = ProxmoxReader()
        for source in sources { try reader.read(source) }
        guard reader.hasRules else {
            throw ImportError("none of the files has rules of pve-firewall: cluster.fw, host.fw, or 100.fw of a guest")
        }
        return reader.objects
    }

    private mutating func read(_ source: ImportSource) throws(ImportError) {
        let base = source.name.split(separator: "/").last ?? ""
        let parts = base.split(separator: ".", omittingEmptySubsequences: false)
        func twice() -> ImportError { ImportError("\(source.name): a second \(base); give the files of one node") }
        let number = parts.count == 2 && parts[0].utf8.count <= 9 ? ProxmoxName.number(parts[0]) : nil
        switch (base, parts.last, number) {
        case ("cluster.fw", _, _):
            guard objects.cluster == nil else { throw twice() }
            objects.cluster = readFile(source, .cluster)
        case ("host.fw", _, _):
            guard objects.host == nil else { throw twice() }
            objects.host = readFile(source, .host)
        case ("corosync.conf", _, _): objects.links = ProxmoxGuestReader.links(source)
        case (_, "fw", let number?):
            guard objects.files[number] == nil else { throw twice() }
            objects.files[number] = readFile(source, .guest)
        case (_, "conf", let number?):
            guard objects.guests[number] == nil else { throw twice() }
            objects.guests[number] = ProxmoxGuestReader.guest(source, number, &objects.notes)
        case (_, "fw", nil):
            leaveOut(source.name, 0, "the rules of a virtual network, which are about what it forwards")
        default:
            throw ImportError(
                "\(source.name): the name must say what the file is: cluster.fw, host.fw, corosync.conf, "
                    + "100.fw and 100.conf of guest 100")
        }
    }

    private mutating func leaveOut(_ file: String, _ line: Int, _ words: String) {
        objects.notes.append(.init(kind: .leftOut, file: file, line: line, words: words))
    }

    // MARK: A file of the firewall

    private mutating func readFile(_ source: ImportSource, _ kind: ProxmoxOptions.File) -> ProxmoxFile {
        hasRules = true
        var file = ProxmoxFile(name: source.name)
        var section = Section.none
        var seen: Set<String> = []
        let lines = source.text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
        for (index, line) in lines.enumerated() {
            let whole = ProxmoxLine.trimmed(line)
            if whole.isEmpty || whole.first == "#" { continue }
            let origin = Origin(file: source.name, line: index + 1, text: String(whole))
            if whole.first == "[" {
                section = head(whole, kind, origin, &file)
                seen = []
                continue
            }
            read(whole, section, kind, origin, &file, &seen)
        }
        return file
    }

    private mutating func head(
        _ line: Substring, _ kind: ProxmoxOptions.File, _ origin: Origin, _ file: inout ProxmoxFile
    ) -> Section {
        let text = ProxmoxLine.parts(line).text
        if text.last == "]" {
            let words = text.dropFirst().dropLast().split { $0.isWhitespace }
            let name = words.count == 2 ? words[1].lowercased() : ""
            switch (words.first?.lowercased(), words.count) {
            case ("options", 1): return .options
            case ("rules", 1): return .rules
            case ("aliases", 1) where kind != .host: return .aliases
            case ("ipset", 2) where kind != .host && ProxmoxName.isName(name):
                file.sets[name] = ProxmoxSet()
                return .set(name)
            case ("group", 2) where kind == .cluster && ProxmoxName.isName(name):
                file.groups[name] = []
                return .group(name)
            default: break
            }
        }
        leaveOut(origin.file, origin.line, "\(origin.shown): a section that is not known here, and its lines")
        return .none
    }

    private mutating func read(
        _ line: Substring, _ section: Section, _ kind: ProxmoxOptions.File, _ origin: Origin,
        _ file: inout ProxmoxFile, _ seen: inout Set<String>
    ) {
        let (text, comment) = ProxmoxLine.parts(line)
        switch section {
        case .none: leaveOut(origin.file, origin.line, "\(origin.shown): it stands in no section that is known here")
        case .options:
            // A number sign is part of a value here.
            if let note = ProxmoxOptions.read(line, kind, origin, &file) { objects.notes.append(note) }
        case .aliases:
            let words = text.split { $0.isWhitespace }
            guard words.count == 2, let prefix = ProxmoxName.prefix(words[1]) else {
                leaveOut(origin.file, origin.line, "\(origin.shown): it is not a name and an address")
                return
            }
            file.aliases[words[0].lowercased()] = prefix
        case .set(let name):
            let isExcepted = text.first == "!"
            let member = String(ProxmoxLine.trimmed(isExcepted ? text.dropFirst() : text))
            guard seen.insert(member).inserted else {
                leaveOut(origin.file, origin.line, "\(origin.shown): it is in the set before; the first holds")
                return
            }
            file.sets[name]?.entries.append(.init(text: member, isExcepted: isExcepted, origin: origin))
        case .rules, .group:
            guard let rule = ProxmoxLine.rule(text, comment: comment, origin) else {
                leaveOut(origin.file, origin.line, "\(origin.shown): it is not a rule that pve-firewall knows")
                return
            }
            if case .group(let name) = section { file.groups[name]?.append(rule) } else { file.rules.append(rule) }
        }
    }
}
