//! `atalaya.yaml` as it is written: one struct for each kind of settings, every value with its place.
//!
//! A setting that Prometheus or Alertmanager know and we do not yet is a field too, under `not_yet`: so it is refused by
//! its name, along with everything else that is wrong, and never ignored. Any other name is refused while it is read.

use super::place::{Spanned, Spot};
use super::reader::{Read, Reader, field};
use super::tree::Child;

pub(super) use super::named::{Named, OneOrMany, Pair, Pairs};

/// A text with its place.
pub(super) type Text = Spanned<String>;

/// The settings of one struct and where they belong in the file.
pub(super) struct Known {
    /// In words: `under \`global\``.
    pub(super) place: &'static str,
    /// What we know.
    pub(super) settings: &'static [&'static str],
    /// What others know.
    pub(super) not_yet: &'static [&'static str],
    /// What others know, and what has no effect here: it is for what is refused by a name of its own, or for nothing.
    pub(super) idle: &'static [&'static str],
}

/// Declares a struct of optional settings, and beside them those that are not supported yet.
macro_rules! settings {
    (
        $(#[$doc:meta])*
        $name:ident in $place:literal { $($field:ident $text:literal: $type:ty,)* }
        $(not_yet { $($later:ident)* })?
        $(idle { $($idle:ident)* })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub(super) struct $name {
            $(pub(super) $field: Option<$type>,)*
            $(
                #[doc = concat!("What is there of:", $(" ", stringify!($later),)*)]
                later: Vec<(&'static str, Spot)>,
            )?
        }

        impl $name {
            /// Its settings.
            pub(super) const KNOWN: Known = Known {
                place: $place,
                settings: &[$($text,)*],
                not_yet: &[$($(stringify!($later),)*)?],
                idle: &[$($(stringify!($idle),)*)?],
            };

            $(
                #[doc = concat!("The settings that are there and not supported yet, of:", $(" ", stringify!($later),)*)]
                pub(super) fn not_yet(&self) -> Vec<(&'static str, Spot)> {
                    self.later.clone()
                }
            )?
        }

        impl Read for $name {
            fn read<'t>(reader: &mut Reader<'_, 't>, child: &'t Child) -> Option<Self> {
                let mut raw = Self::default();
                let _later = reader.settings(child, &Self::KNOWN, &mut |reader, name, value| match name {
                    $($text => raw.$field = field(reader, value),)*
                    _ => {}
                })?;
                $(
                    const _: &[&str] = &[$(stringify!($later),)*];
                    raw.later = _later;
                )?
                Some(raw)
            }
        }
    };
}

settings! {
    /// The file.
    RawMain in "at the top of the main file" {
        global "global": RawGlobal,
        scrape_configs "scrape_configs": Vec<Spanned<RawScrapeConfig>>,
        scrape_config_files "scrape_config_files": Vec<Text>,
        rule_files "rule_files": Vec<Text>,
        route "route": Spanned<RawRoute>,
        receivers "receivers": Vec<Spanned<RawReceiver>>,
        web "web": RawWeb,
        state "state": RawState,
        source "source": RawSource,
        rule_options "rule_options": Vec<Spanned<RawRuleOptions>>,
        store "store": RawStore,
        compat "compat": Text,
        alerting "alerting": RawAlerting,
        templates "templates": Vec<Text>,
    }
    not_yet {
        remote_read remote_write otlp storage tracing
        inhibit_rules mute_time_intervals time_intervals event_recorder
        slo_files rollout_files heartbeat schedules
    }
    idle { runtime }
}

settings! {
    /// What holds for all.
    RawGlobal in "under `global`" {
        scrape_interval "scrape_interval": Text,
        scrape_timeout "scrape_timeout": Text,
        evaluation_interval "evaluation_interval": Text,
        rule_query_offset "rule_query_offset": Text,
        external_labels "external_labels": Pairs,
        external_url "external_url": Text,
        slack_api_url "slack_api_url": Text,
        slack_api_url_file "slack_api_url_file": Text,
        http_config "http_config": RawHttpConfig,
        pagerduty_url "pagerduty_url": Text,
        resolve_timeout "resolve_timeout": Text,
        scrape_protocols "scrape_protocols": Vec<Text>,
        extra_scrape_metrics "extra_scrape_metrics": bool,
        body_size_limit "body_size_limit": Text,
        sample_limit "sample_limit": Spanned<u64>,
        target_limit "target_limit": Spanned<u64>,
        label_limit "label_limit": Spanned<u64>,
        label_name_length_limit "label_name_length_limit": Spanned<u64>,
        label_value_length_limit "label_value_length_limit": Spanned<u64>,
        keep_dropped_targets "keep_dropped_targets": Spanned<u64>,
        metric_name_validation_scheme "metric_name_validation_scheme": Text,
        metric_name_escaping_scheme "metric_name_escaping_scheme": Text,
    }
    not_yet {
        query_log_file scrape_failure_log_file scrape_native_histograms convert_classic_histograms_to_nhcb
        slack_app_token slack_app_token_file slack_app_url
    }
    idle {
        always_scrape_classic_histograms
        smtp_from smtp_hello smtp_smarthost smtp_auth_username smtp_auth_password smtp_auth_password_file
        smtp_auth_secret smtp_auth_secret_file smtp_auth_identity smtp_require_tls smtp_tls_config
        smtp_force_implicit_tls opsgenie_api_url opsgenie_api_key opsgenie_api_key_file wechat_api_url
        wechat_api_secret wechat_api_secret_file wechat_api_corp_id victorops_api_url victorops_api_key
        victorops_api_key_file telegram_api_url telegram_bot_token telegram_bot_token_file webex_api_url jira_api_url
        rocketchat_api_url rocketchat_token rocketchat_token_file rocketchat_token_id rocketchat_token_id_file
        mattermost_webhook_url mattermost_webhook_url_file
    }
}

settings! {
    /// A file with more jobs.
    RawScrapeFile in "at the top of a file of `scrape_config_files`" {
        scrape_configs "scrape_configs": Vec<Spanned<RawScrapeConfig>>,
    }
}

settings! {
    /// A job: targets that are scraped alike.
    RawScrapeConfig in "in an entry of `scrape_configs`" {
        job_name "job_name": Text,
        scrape_interval "scrape_interval": Text,
        scrape_timeout "scrape_timeout": Text,
        metrics_path "metrics_path": Text,
        scheme "scheme": Text,
        static_configs "static_configs": Vec<Spanned<RawStaticConfig>>,
        relabel_configs "relabel_configs": Vec<Spanned<RawRelabel>>,
        metric_relabel_configs "metric_relabel_configs": Vec<Spanned<RawRelabel>>,
        file_sd_configs "file_sd_configs": Vec<Spanned<RawFileDiscovery>>,
        http_sd_configs "http_sd_configs": Vec<Spanned<RawHttpDiscovery>>,
        dns_sd_configs "dns_sd_configs": Vec<Spanned<RawDnsDiscovery>>,
        honor_labels "honor_labels": bool,
        honor_timestamps "honor_timestamps": bool,
        track_timestamps_staleness "track_timestamps_staleness": bool,
        params "params": Named<Vec<Text>>,
        scrape_protocols "scrape_protocols": Vec<Text>,
        fallback_scrape_protocol "fallback_scrape_protocol": Text,
        extra_scrape_metrics "extra_scrape_metrics": bool,
        enable_compression "enable_compression": bool,
        body_size_limit "body_size_limit": Text,
        sample_limit "sample_limit": Spanned<u64>,
        target_limit "target_limit": Spanned<u64>,
        label_limit "label_limit": Spanned<u64>,
        label_name_length_limit "label_name_length_limit": Spanned<u64>,
        label_value_length_limit "label_value_length_limit": Spanned<u64>,
        keep_dropped_targets "keep_dropped_targets": Spanned<u64>,
        metric_name_validation_scheme "metric_name_validation_scheme": Text,
        metric_name_escaping_scheme "metric_name_escaping_scheme": Text,
        basic_auth "basic_auth": Spanned<RawBasicAuth>,
        authorization "authorization": Spanned<RawAuthorization>,
        bearer_token "bearer_token": Text,
        bearer_token_file "bearer_token_file": Text,
        oauth2 "oauth2": Spanned<RawOAuth2>,
        tls_config "tls_config": Spanned<RawTlsConfig>,
        http_headers "http_headers": Named<RawHttpHeader>,
        follow_redirects "follow_redirects": bool,
        enable_http2 "enable_http2": bool,
        proxy_url "proxy_url": Text,
        no_proxy "no_proxy": Text,
        proxy_from_environment "proxy_from_environment": Spanned<bool>,
        proxy_connect_header "proxy_connect_header": Named<Vec<Text>>,
    }
    not_yet {
        scrape_native_histograms convert_classic_histograms_to_nhcb
        native_histogram_bucket_limit native_histogram_min_bucket_factor scrape_failure_log_file
        aws_sd_configs azure_sd_configs consul_sd_configs digitalocean_sd_configs docker_sd_configs
        dockerswarm_sd_configs ec2_sd_configs ecs_sd_configs elasticache_sd_configs msk_sd_configs rds_sd_configs eureka_sd_configs gce_sd_configs hetzner_sd_configs
        ionos_sd_configs kubernetes_sd_configs kuma_sd_configs lightsail_sd_configs linode_sd_configs
        marathon_sd_configs nerve_sd_configs nomad_sd_configs openstack_sd_configs outscale_sd_configs ovhcloud_sd_configs
        puppetdb_sd_configs scaleway_sd_configs serverset_sd_configs stackit_sd_configs triton_sd_configs
        uyuni_sd_configs vultr_sd_configs
    }
    idle { always_scrape_classic_histograms }
}

settings! {
    /// Targets that are written down, with the labels that they share.
    RawStaticConfig in "in an entry of `static_configs`" {
        targets "targets": Vec<Text>,
        labels "labels": Pairs,
    }
}

settings! {
    /// Files that list targets.
    RawFileDiscovery in "in an entry of `file_sd_configs`" {
        files "files": Vec<Text>,
        refresh_interval "refresh_interval": Text,
    }
}

settings! {
    /// A URL that lists targets.
    RawHttpDiscovery in "in an entry of `http_sd_configs`" {
        url "url": Text,
        refresh_interval "refresh_interval": Text,
        basic_auth "basic_auth": Spanned<RawBasicAuth>,
        authorization "authorization": Spanned<RawAuthorization>,
        bearer_token "bearer_token": Text,
        bearer_token_file "bearer_token_file": Text,
        oauth2 "oauth2": Spanned<RawOAuth2>,
        tls_config "tls_config": Spanned<RawTlsConfig>,
        http_headers "http_headers": Named<RawHttpHeader>,
        follow_redirects "follow_redirects": bool,
        enable_http2 "enable_http2": bool,
        proxy_url "proxy_url": Text,
        no_proxy "no_proxy": Text,
        proxy_from_environment "proxy_from_environment": Spanned<bool>,
        proxy_connect_header "proxy_connect_header": Named<Vec<Text>>,
    }
}

settings! {
    /// Names of the DNS that stand for targets.
    RawDnsDiscovery in "in an entry of `dns_sd_configs`" {
        names "names": Vec<Text>,
        record "type": Text,
        port "port": Spanned<u64>,
        refresh_interval "refresh_interval": Text,
    }
}

settings! {
    /// A rule of relabeling.
    RawRelabel in "in a relabel rule" {
        source_labels "source_labels": Vec<Text>,
        separator "separator": Text,
        regex "regex": Text,
        modulus "modulus": Spanned<u64>,
        target_label "target_label": Text,
        replacement "replacement": Text,
        action "action": Text,
    }
}

settings! {
    /// A node of the routing tree.
    RawRoute in "under `route`" {
        receiver "receiver": Text,
        matchers "matchers": Vec<Text>,
        equal "match": Pairs,
        regex "match_re": Pairs,
        group_by "group_by": Vec<Text>,
        group_wait "group_wait": Text,
        group_interval "group_interval": Text,
        repeat_interval "repeat_interval": Text,
        continue_matching "continue": Spanned<bool>,
        routes "routes": Vec<Spanned<RawRoute>>,
    }
    not_yet { mute_time_intervals active_time_intervals }
}

settings! {
    /// A receiver.
    RawReceiver in "in an entry of `receivers`" {
        name "name": Text,
        slack_configs "slack_configs": Vec<Spanned<RawSlack>>,
        pagerduty_configs "pagerduty_configs": Vec<Spanned<RawPagerDuty>>,
        webhook_configs "webhook_configs": Vec<Spanned<RawWebhook>>,
        rollback_configs "rollback_configs": Vec<Spanned<RawRollback>>,
    }
    not_yet {
        email_configs opsgenie_configs wechat_configs pushover_configs victorops_configs sns_configs telegram_configs
        discord_configs webex_configs msteams_configs msteamsv2_configs jira_configs rocketchat_configs
        mattermost_configs incidentio_configs
    }
}

settings! {
    /// A Slack channel.
    RawSlack in "in an entry of `slack_configs`" {
        id "id": Text,
        channel "channel": Text,
        bot_token "bot_token": Text,
        bot_token_file "bot_token_file": Text,
        app_token "app_token": Text,
        app_token_file "app_token_file": Text,
        app_url "app_url": Text,
        api_url "api_url": Text,
        api_url_file "api_url_file": Text,
        send_resolved "send_resolved": bool,
        update_message "update_message": Spanned<bool>,
        timeout "timeout": Text,
        http_config "http_config": RawHttpConfig,
        username "username": Text,
        color "color": Text,
        title "title": Text,
        title_link "title_link": Text,
        pretext "pretext": Text,
        text "text": Text,
        message_text "message_text": Text,
        fields "fields": Vec<Spanned<RawSlackField>>,
        short_fields "short_fields": bool,
        footer "footer": Text,
        fallback "fallback": Text,
        callback_id "callback_id": Text,
        icon_emoji "icon_emoji": Text,
        icon_url "icon_url": Text,
        image_url "image_url": Text,
        thumb_url "thumb_url": Text,
        link_names "link_names": bool,
        mrkdwn_in "mrkdwn_in": Vec<Text>,
        actions "actions": Vec<Spanned<RawSlackAction>>,
    }
}

settings! {
    /// A name with a value.
    RawSlackField in "in an entry of `fields`" {
        title "title": Text,
        value "value": Text,
        short "short": bool,
    }
}

settings! {
    /// A button.
    RawSlackAction in "in an entry of `actions`" {
        kind "type": Text,
        text "text": Text,
        url "url": Text,
        style "style": Text,
        confirm "confirm": Spanned<RawSlackConfirm>,
    }
    not_yet { name value }
}

settings! {
    /// What asks whether a button was meant.
    RawSlackConfirm in "in the `confirm` of an action" {
        text "text": Text,
        title "title": Text,
        ok_text "ok_text": Text,
        dismiss_text "dismiss_text": Text,
    }
}

settings! {
    /// A PagerDuty service.
    RawPagerDuty in "in an entry of `pagerduty_configs`" {
        id "id": Text,
        routing_key "routing_key": Text,
        routing_key_file "routing_key_file": Text,
        service_key "service_key": Text,
        service_key_file "service_key_file": Text,
        url "url": Text,
        send_resolved "send_resolved": bool,
        timeout "timeout": Text,
        http_config "http_config": RawHttpConfig,
        client "client": Text,
        client_url "client_url": Text,
        description "description": Text,
        severity "severity": Text,
        class "class": Text,
        component "component": Text,
        group "group": Text,
        source "source": Text,
        details "details": Pairs,
        images "images": Vec<Spanned<RawPagerDutyImage>>,
        links "links": Vec<Spanned<RawPagerDutyLink>>,
    }
}

settings! {
    /// A picture.
    RawPagerDutyImage in "in an entry of `images`" {
        src "src": Text,
        href "href": Text,
        alt "alt": Text,
    }
}

settings! {
    /// A link.
    RawPagerDutyLink in "in an entry of `links`" {
        href "href": Text,
        text "text": Text,
    }
}

settings! {
    /// Anything that understands Alertmanager's webhook.
    RawWebhook in "in an entry of `webhook_configs`" {
        id "id": Text,
        url "url": Text,
        url_file "url_file": Text,
        send_resolved "send_resolved": bool,
        max_alerts "max_alerts": Spanned<u32>,
        timeout "timeout": Text,
        http_config "http_config": RawHttpConfig,
    }
    not_yet { payload }
}

settings! {
    /// The Alertmanagers that alerts are forwarded to.
    RawAlerting in "under `alerting`" {
        alert_relabel_configs "alert_relabel_configs": Vec<Spanned<RawRelabel>>,
        alertmanagers "alertmanagers": Vec<Spanned<RawAlertmanager>>,
    }
    not_yet { alert_resend_delay }
}

settings! {
    /// Alertmanagers that are reached alike.
    RawAlertmanager in "in an entry of `alertmanagers`" {
        static_configs "static_configs": Vec<Spanned<RawStaticConfig>>,
        scheme "scheme": Text,
        path_prefix "path_prefix": Text,
        timeout "timeout": Text,
        api_version "api_version": Text,
        relabel_configs "relabel_configs": Vec<Spanned<RawRelabel>>,
        alert_relabel_configs "alert_relabel_configs": Vec<Spanned<RawRelabel>>,
        basic_auth "basic_auth": Spanned<RawBasicAuth>,
        authorization "authorization": Spanned<RawAuthorization>,
        bearer_token "bearer_token": Text,
        bearer_token_file "bearer_token_file": Text,
        oauth2 "oauth2": Spanned<RawOAuth2>,
        tls_config "tls_config": Spanned<RawTlsConfig>,
        http_headers "http_headers": Named<RawHttpHeader>,
        follow_redirects "follow_redirects": bool,
        enable_http2 "enable_http2": bool,
        proxy_url "proxy_url": Text,
        no_proxy "no_proxy": Text,
        proxy_from_environment "proxy_from_environment": Spanned<bool>,
        proxy_connect_header "proxy_connect_header": Named<Vec<Text>>,
    }
    not_yet {
        sigv4 azuread
        aws_sd_configs azure_sd_configs consul_sd_configs digitalocean_sd_configs dns_sd_configs docker_sd_configs
        dockerswarm_sd_configs ec2_sd_configs eureka_sd_configs file_sd_configs gce_sd_configs hetzner_sd_configs
        http_sd_configs ionos_sd_configs kubernetes_sd_configs kuma_sd_configs lightsail_sd_configs linode_sd_configs
        marathon_sd_configs nerve_sd_configs nomad_sd_configs openstack_sd_configs outscale_sd_configs ovhcloud_sd_configs
        puppetdb_sd_configs scaleway_sd_configs serverset_sd_configs stackit_sd_configs triton_sd_configs
        uyuni_sd_configs vultr_sd_configs
    }
}

settings! {
    /// What carries out rollbacks, and when it is asked to.
    RawRollback in "in an entry of `rollback_configs`" {
        id "id": Text,
        url "url": Text,
        url_file "url_file": Text,
        secret "secret": Text,
        secret_file "secret_file": Text,
        rollback_key "rollback_key": Vec<Text>,
        guard "while": Text,
        cooldown "cooldown": Text,
        deadline "deadline": Text,
        timeout "timeout": Text,
        http_config "http_config": RawHttpConfig,
    }
}

settings! {
    /// What we serve.
    RawWeb in "under `web`" { listen "listen": Text, }
    not_yet { external_url tls_server_config basic_auth_users }
}

settings! {
    /// What we remember.
    RawState in "under `state`" { dir "dir": Text, }
}

settings! {
    /// What rule files cannot say of their groups.
    RawRuleOptions in "in an entry of `rule_options`" {
        files "files": Vec<Text>,
        groups "groups": Vec<Text>,
        source "source": Text,
        on_unknown "on_unknown": Text,
        unknown_after "unknown_after": Text,
    }
}

settings! {
    /// What is kept in memory.
    RawStore in "under `store`" {
        retain "retain": OneOrMany,
        series_max "series_max": Spanned<u64>,
        memory_max "memory_max": Text,
    }
}

settings! {
    /// A rule file.
    RawRuleFile in "at the top of a rule file" { groups "groups": Vec<Spanned<RawGroup>>, }
}

settings! {
    /// A group of rules.
    RawGroup in "in an entry of `groups`" {
        name "name": Text,
        interval "interval": Text,
        limit "limit": Spanned<u64>,
        query_offset "query_offset": Text,
        labels "labels": Pairs,
        rules "rules": Vec<Spanned<RawRule>>,
    }
    not_yet { partial_response_strategy }
}

settings! {
    /// A rule.
    RawRule in "in a rule" {
        alert "alert": Text,
        record "record": Text,
        expr "expr": Text,
        hold "for": Text,
        keep_firing_for "keep_firing_for": Text,
        labels "labels": Pairs,
        annotations "annotations": Pairs,
    }
}

settings! {
    /// How calls are made: `http_config`, and the same settings inline.
    RawHttpConfig in "in an `http_config`" {
        basic_auth "basic_auth": Spanned<RawBasicAuth>,
        authorization "authorization": Spanned<RawAuthorization>,
        bearer_token "bearer_token": Text,
        bearer_token_file "bearer_token_file": Text,
        oauth2 "oauth2": Spanned<RawOAuth2>,
        tls_config "tls_config": Spanned<RawTlsConfig>,
        http_headers "http_headers": Named<RawHttpHeader>,
        follow_redirects "follow_redirects": bool,
        enable_http2 "enable_http2": bool,
        proxy_url "proxy_url": Text,
        no_proxy "no_proxy": Text,
        proxy_from_environment "proxy_from_environment": Spanned<bool>,
        proxy_connect_header "proxy_connect_header": Named<Vec<Text>>,
    }
}

settings! {
    /// A name and a password.
    RawBasicAuth in "under `basic_auth`" {
        username "username": Text,
        username_file "username_file": Text,
        password "password": Text,
        password_file "password_file": Text,
    }
    not_yet { username_ref password_ref }
}

settings! {
    /// The `Authorization` header.
    RawAuthorization in "under `authorization`" {
        scheme "type": Text,
        credentials "credentials": Text,
        credentials_file "credentials_file": Text,
    }
    not_yet { credentials_ref }
}

settings! {
    /// OAuth 2's client credentials.
    RawOAuth2 in "under `oauth2`" {
        client_id "client_id": Text,
        client_secret "client_secret": Text,
        client_secret_file "client_secret_file": Text,
        scopes "scopes": Vec<Text>,
        token_url "token_url": Text,
        endpoint_params "endpoint_params": Pairs,
        tls_config "tls_config": Spanned<RawTlsConfig>,
        proxy_url "proxy_url": Text,
        no_proxy "no_proxy": Text,
        proxy_from_environment "proxy_from_environment": Spanned<bool>,
        proxy_connect_header "proxy_connect_header": Named<Vec<Text>>,
    }
    not_yet {
        client_secret_ref grant_type client_certificate_key client_certificate_key_file client_certificate_key_ref
        client_certificate_key_id signature_algorithm iss audience claims
    }
}

settings! {
    /// Whose certificates are trusted, and which one is shown.
    RawTlsConfig in "under `tls_config`" {
        ca "ca": Text,
        ca_file "ca_file": Text,
        cert "cert": Text,
        cert_file "cert_file": Text,
        key "key": Text,
        key_file "key_file": Text,
        server_name "server_name": Text,
        insecure_skip_verify "insecure_skip_verify": bool,
        min_version "min_version": Text,
        max_version "max_version": Text,
    }
    not_yet { ca_ref cert_ref key_ref }
}

settings! {
    /// The values of a header.
    RawHttpHeader in "under a name of `http_headers`" {
        values "values": Vec<Text>,
        secrets "secrets": Vec<Text>,
        files "files": Vec<Text>,
    }
}

settings! {
    /// Where numbers come from.
    RawSource in "under `source`" {
        default "default": Text,
        apis "apis": Vec<Spanned<RawApi>>,
    }
}

settings! {
    /// An API that answers as Prometheus does.
    RawApi in "in an entry of `source.apis`" {
        name "name": Text,
        url "url": Text,
        timeout "timeout": Text,
        max_concurrency "max_concurrency": Spanned<u64>,
        params "params": Named<Vec<Text>>,
        basic_auth "basic_auth": Spanned<RawBasicAuth>,
        authorization "authorization": Spanned<RawAuthorization>,
        bearer_token "bearer_token": Text,
        bearer_token_file "bearer_token_file": Text,
        oauth2 "oauth2": Spanned<RawOAuth2>,
        tls_config "tls_config": Spanned<RawTlsConfig>,
        http_headers "http_headers": Named<RawHttpHeader>,
        follow_redirects "follow_redirects": bool,
        enable_http2 "enable_http2": bool,
        proxy_url "proxy_url": Text,
        no_proxy "no_proxy": Text,
        proxy_from_environment "proxy_from_environment": Spanned<bool>,
        proxy_connect_header "proxy_connect_header": Named<Vec<Text>>,
    }
}

/// Every kind of settings.
pub(super) const KNOWN: &[Known] = &[
    RawMain::KNOWN,
    RawGlobal::KNOWN,
    RawScrapeFile::KNOWN,
    RawScrapeConfig::KNOWN,
    RawStaticConfig::KNOWN,
    RawFileDiscovery::KNOWN,
    RawHttpDiscovery::KNOWN,
    RawDnsDiscovery::KNOWN,
    RawRelabel::KNOWN,
    RawRoute::KNOWN,
    RawReceiver::KNOWN,
    RawSlack::KNOWN,
    RawSlackField::KNOWN,
    RawSlackAction::KNOWN,
    RawSlackConfirm::KNOWN,
    RawPagerDuty::KNOWN,
    RawPagerDutyImage::KNOWN,
    RawPagerDutyLink::KNOWN,
    RawAlerting::KNOWN,
    RawAlertmanager::KNOWN,
    RawWebhook::KNOWN,
    RawRollback::KNOWN,
    RawWeb::KNOWN,
    RawState::KNOWN,
    RawRuleOptions::KNOWN,
    RawStore::KNOWN,
    RawRuleFile::KNOWN,
    RawGroup::KNOWN,
    RawRule::KNOWN,
    RawHttpConfig::KNOWN,
    RawBasicAuth::KNOWN,
    RawAuthorization::KNOWN,
    RawOAuth2::KNOWN,
    RawTlsConfig::KNOWN,
    RawHttpHeader::KNOWN,
    RawSource::KNOWN,
    RawApi::KNOWN,
];
