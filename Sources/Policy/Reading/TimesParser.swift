// SPDX-License-Identifier: Apache-2.0

/// Reads the key `times`.
struct TimesParser {
    static let keys = ["days", "from", "to", "zone"]

    let problems: Problems

    func parse(_ node: Node) -> RuleTimes? {
        guard let fields = Fields(node, "\"times\"", keys: Self.keys, problems) else { return nil }
        if ["days", "from", "to"].allSatisfy({ fields[$0] == nil }) {
            problems.error(node.location, "\"times\" leaves nothing out; name days, or the time of day by from and to")
            return nil
        }
        var times = RuleTimes()
        if let node = fields["days"] {
            guard let days = days(node) else { return nil }
            times.days = days
        }
        if let node = fields["from"] {
            guard let minute = minute(node, "08:00"), minute < RuleTimes.minutesOfDay else {
                if minute(node, "08:00") != nil { problems.error(node.location, "a day ends at 24:00; write 00:00") }
                return nil
            }
            times.from = minute
        }
        if let node = fields["to"] {
            guard let minute = minute(node, "18:00") else { return nil }
            times.to = minute
            if minute == times.from {
                problems.error(node.location, "\"from\" and \"to\" are the same time; leave both out for all day")
                return nil
            }
        }
        if let node = fields["zone"] {
            guard let zone = zone(node) else { return nil }
            times.zone = zone
        }
        return times
    }

    /// `mon`, or a range such as `mon-fri`, which may go over Sunday.
    private func days(_ node: Node) -> Set<Int>? {
        if node.items.isEmpty {
            problems.error(node.location, "the list of days is empty, so the rule would never match")
            return nil
        }
        var days: Set<Int> = []
        for item in node.items {
            guard let text = problems.text(item, "a day such as mon") else { return nil }
            let ends = text.lowercased().split(separator: "-", omittingEmptySubsequences: false).map { word in
                RuleTimes.dayNames.firstIndex(of: String(word))
            }
            guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil else {
                let names = RuleTimes.dayNames
                problems.error(
                    item.location,
                    "\"\(text)\" is not a day: \(names.joined(separator: ", ")), or a range of them such as mon-fri"
                        + problems.suggestion(for: text, among: names))
                return nil
            }
            days.formUnion((0...(last - first + 7) % 7).map { (first + $0) % 7 })
        }
        return days
    }

    /// `HH:MM`, up to 24:00.
    private func minute(_ node: Node, _ example: String) -> Int? {
        guard let text = problems.text(node, "a time of day such as \(example)") else { return nil }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }), let hour = Problems.decimal(parts[0]),
            let minute = Problems.decimal(parts[1]), minute < 60, hour * 60 + minute <= RuleTimes.minutesOfDay
        else {
            problems.error(node.location, "\"\(text)\" is not a time of day such as \(example)")
            return nil
        }
        return hour * 60 + minute
    }

    private func zone(_ node: Node) -> TimeZoneTable? {
        guard let text = problems.text(node, "a time zone such as Europe/Berlin") else { return nil }
        if let zone = ZoneFile.zone(text) { return zone }
        problems.error(
            node.location,
            "there is no time zone \"\(text)\" in \(ZoneFile.folder); write UTC, or a name such as Europe/Berlin")
        return nil
    }
}
