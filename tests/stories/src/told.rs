//! Requests that the recording only mentions; the text and the rows give the details.

use serde_json::{Value, json};

use crate::{
    deed::{Deed, FIRST_HOST, Reader, Request},
    rows::{ScheduleRow, number},
};

impl Reader<'_> {
    pub(crate) fn told_in_words(&self, method: &str, status: u16) -> Result<Deed, String> {
        let (endpoint, body) = if method == "POST" {
            let endpoint = if self.text().contains("startbackup") {
                "startbackup"
            } else {
                "createbackupschedule"
            };
            (endpoint.to_owned(), Some(self.body_told()?))
        } else {
            (
                format!("deletebackupschedule?dump={}", self.tells_of_dump()),
                None,
            )
        };
        Ok(Deed::Request(Request {
            method: method.to_owned(),
            path: format!("/api/2.0/backup/{endpoint}"),
            host: FIRST_HOST.to_owned(),
            referer: None,
            body,
            status,
            answer: None,
        }))
    }

    fn tells_of_dump(&self) -> bool {
        self.text().contains("dump=true")
    }

    /// A body that was not recorded: taken from the row if the story has rows and the request was for a schedule;
    /// otherwise from the text.
    pub(crate) fn body_told(&self) -> Result<Value, String> {
        match &self.step.schedule_rows {
            Some(rows) if !self.text().contains("startbackup") => self.body_of_row(rows),
            _ => self.body_of_words(),
        }
    }

    fn body_of_row(&self, rows: &[ScheduleRow]) -> Result<Value, String> {
        let dump = self.tells_of_dump();
        let row = rows.iter().find(|row| row.is_dump() == dump);
        let row = row.ok_or_else(|| self.unknown("no row"))?.schedule()?;
        let own = row
            .storage_params
            .iter()
            .filter(|(key, _)| !dump || *key != "tenantId");
        let params: Vec<Value> = own
            .map(|(key, value)| json!({"key": key, "value": value}))
            .collect();
        let cron: Vec<&str> = row.cron.split(' ').collect();
        let (period, day) = match cron[..] {
            [_, _, _, "?", "*", "*"] => ("EveryDay", "0"),
            [_, _, _, "?", "*", day] => ("EveryWeek", day),
            [_, _, _, day, "*", "?"] => ("EveryMonth", day),
            _ => return Err(self.unknown("another cron")),
        };
        Ok(json!({
            "storageType": row.storage_type,
            "storageParams": params,
            "cronParams": {"period": period, "hour": number::<i32>(cron[2])?, "day": number::<i32>(day)?},
            "backupsStored": row.backups_stored,
            "dump": dump,
        }))
    }

    /// `POST Local /backups, EveryDay 00:00`.
    fn body_of_words(&self) -> Result<Value, String> {
        let words: Vec<&str> = self
            .text()
            .split([' ', ','])
            .filter(|word| !word.is_empty())
            .collect();
        if !words.contains(&"Local") {
            return Err(self.unknown("no body"));
        }
        let path = words
            .iter()
            .find(|word| word.starts_with('/'))
            .unwrap_or(&"/backups");
        let mut body = json!({
            "storageType": "Local",
            "storageParams": [{"key": "filePath", "value": path}],
            "dump": self.tells_of_dump(),
        });
        if let Some(hour) = words.iter().skip_while(|word| **word != "EveryDay").nth(1) {
            let hour: i32 = number(hour.split(':').next().unwrap_or_default())?;
            body["cronParams"] = json!({"period": "EveryDay", "hour": hour, "day": 0});
            body["backupsStored"] = json!(7);
        }
        Ok(body)
    }
}
