// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy
import Wire

/// Makes the image of a policy out of that of an earlier text, from which it differs only in what rules do and are
/// called. The result has the same bytes as if it were compiled from the text.
///
/// All that such an edit can change stands at the end of an image, see ``ImageAssembly``, so the rest is copied.
struct ImageRevision {
    private let old: ImageView
    private var header: bh_image_header
    private var rules: [bh_rule]
    private var notes: [bh_note]
    private var groups: [bh_group]
    private var strings: [UInt8]
    private var fileName: UInt32
    private var budget: Budget

    /// nil if the image does not have a rule on the line of an edit, or if an edit changes more than it seems to.
    init?(_ old: ImageView, _ revision: PolicyRevision, _ limits: Limits) {
        guard old.fileCount == 1, let file = old.element(bh_file.self, of: old.tables.files, 0) else { return nil }
        self.old = old
        header = old.tables
        rules = old.elements(bh_rule.self, of: header.rules, old.rankCount)
        notes = old.elements(bh_note.self, of: header.notes, Int(header.note_count))
        groups = old.elements(bh_group.self, of: header.groups, old.groupCount)
        // What the host wrote into them is not the policy's.
        for rank in rules.indices { rules[rank].counter = 0 }
        for index in groups.indices { groups[index].slot = 0 }
        strings = old.bytes.bytes(Int(header.strings)..<Int(header.strings) + Int(header.strings_size))
        fileName = file.name
        budget = Budget(Ruleset(files: [], entries: [], groups: [], rules: []), limits)
        guard let edits = edits(revision), setEffects(edits) else { return nil }
        if edits.contains(where: { isRenamed($0, $1) }) { guard setTexts(edits) else { return nil } }
    }

    /// The edits by the first rank of their rule; nil if one meets no rule.
    private func edits(_ revision: PolicyRevision) -> [Int: RuleEdit]? {
        var byLine: [UInt32: RuleEdit] = [:]
        for edit in revision.edits { byLine[UInt32(edit.line)] = edit }
        var result: [Int: RuleEdit] = [:]
        for rank in rules.indices where rules[rank].term == 0 {
            if let edit = byLine[rules[rank].line] { result[rank] = edit }
        }
        return result.count == revision.edits.count ? result : nil
    }

    /// Sets what the edited rules do. False if a rule has a new name that its limit's state is kept under.
    private mutating func setEffects(_ edits: [Int: RuleEdit]) -> Bool {
        for (first, edit) in edits {
            let isLimited = old.condition(of: rules[first]).flags & BH_CONDITION_LIMITED.rawValue != 0
            if isLimited, old.string(rules[first].name) != edit.name { return false }
            for rank in first...first + Int(rules[first].terms_behind) where rules.indices.contains(rank) {
                rules[rank].verdict = UInt8(edit.action.number)
                rules[rank].flags &= ~UInt8(BH_RULE_LOG.rawValue)
                if edit.log { rules[rank].flags |= UInt8(BH_RULE_LOG.rawValue) }
            }
        }
        let rejects = UInt8(Action.reject.number)
        let ports = old.elements(bh_port.self, of: header.ports, old.portCount)
        header.flags &= ~BH_IMAGE_REJECTS.rawValue
        if rules.contains(where: { $0.verdict == rejects })
            || ports.contains(where: { $0.defaults.0 == rejects || $0.defaults.1 == rejects })
        {
            header.flags |= BH_IMAGE_REJECTS.rawValue
        }
        return true
    }

    private func isRenamed(_ first: Int, _ edit: RuleEdit) -> Bool {
        old.string(rules[first].name) != edit.name || old.note(of: rules[first]) != edit.note
    }

    /// Writes all texts anew, in the order in which ``ImageAssembly`` does. False if two rules have one name.
    private mutating func setTexts(_ edits: [Int: RuleEdit]) -> Bool {
        var table = StringTable(expecting: rules.count)
        for port in old.elements(bh_port.self, of: header.ports, old.portCount) {
            guard table.offset(of: old.string(port.name)) == port.name else { return false }
        }
        for selector in old.elements(bh_selector.self, of: header.selectors, Int(header.selector_count)) {
            for text in [selector.entry, selector.namespace_name, selector.names] {
                guard table.offset(of: old.string(text)) == text else { return false }
            }
        }
        var names: Set<UInt32> = []
        notes = []
        for rank in rules.indices {
            let isFirst = rules[rank].term == 0
            if isFirst {
                let name = edits[rank]?.name ?? old.string(rules[rank].name)
                let note = edits[rank].map(\.note) ?? old.note(of: rules[rank])
                rules[rank].name = table.offset(of: name)
                guard names.insert(rules[rank].name).inserted else { return false }
                rules[rank].notes = notes.append(note, &table)
            } else {
                rules[rank].name = rules[rank - 1].name
            }
        }
        for index in groups.indices { groups[index].name = table.offset(of: old.string(groups[index].name)) }
        fileName = table.offset(of: old.string(fileName))
        strings = table.bytes
        return true
    }

    /// - Parameter bytes: The old image's, see ``ImageView/policyBytes``.
    consuming func image(
        _ bytes: [UInt8], _ revision: PolicyRevision, _ records: PortRecords
    ) throws(CompileError) -> Image {
        var writer = ImageWriter(budget, after: bytes[..<Int(header.covered)], expecting: bytes.count + 4096)
        let covered = old.elements(bh_covered.self, of: header.covered, Int(header.covered_count))
        header.covered = try writer.append(covered)
        header.rules = try writer.append(rules)
        header.groups = try writer.append(groups)
        header.notes = try writer.append(notes)
        header.note_count = UInt32(notes.count)
        header.strings = try writer.append(strings)
        header.strings_size = UInt32(strings.count)
        let text = try writer.append(revision.text)
        let file = bh_file(name: fileName, text: text, size: UInt32(revision.text.count), pad: 0)
        header.files = try writer.append([file])
        header.rules_text = UInt32(revision.rulesText.lowerBound)
        header.rules_text_end = UInt32(revision.rulesText.upperBound)
        writer.align(to: ImageWriter.line)
        header.size = UInt64(writer.bytes.count)
        header.clearHostPart()
        let sha256 = writer.seal(header)
        var statistics = Image.Statistics()
        statistics.rules = old.ruleCount
        return Image(bytes: writer.bytes, sha256: sha256, statistics: statistics, ports: records)
    }
}

extension Image {
    /// The image of a revised policy: the same bytes as if it were compiled from its text, from the image of the old
    /// text. Its statistics have only the number of rules.
    ///
    /// nil if the image is damaged, or the revision is more than it seems to be: then it must be compiled.
    ///
    /// - Parameter ports: A ruleset with the policy's entries.
    public init?(of revision: PolicyRevision, from old: ImageView, ports: Ruleset) {
        let (change, bytes) = together({ ImageRevision(old, revision, Limits()) }, { old.policyBytes })
        guard let change, let bytes,
            let image = try? change.image(bytes, revision, PortRecords(ports)), image.ports.count == old.portCount
        else { return nil }
        self = image
    }
}

extension RuleEdit {
    fileprivate var note: RuleNote? { RuleNote(written: comment, tag, meta) }
}
